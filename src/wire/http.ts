import type { IncomingMessage } from 'node:http';

/** A header that may stand once; an empty one counts as none. */
export function headerOf(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
