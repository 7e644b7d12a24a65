import pino, { type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/**
 * JSON lines. What may hold a secret, a prompt or an answer is never handed to the log at all; the redaction is for what
 * a library's error object might carry.
 */
export function createLog(level: string, destination: DestinationStream): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['*.authorization', '*["x-api-key"]', '*["api-key"]', '*.password', '*.apiKey'], censor: '[redacted]' },
    },
    destination,
  );
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
