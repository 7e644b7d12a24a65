/** One command to one server, on a connection of its own; and waiting until something is so. */
import { Redis } from 'ioredis';
import { setTimeout as pause } from 'node:timers/promises';

export interface AskOptions {
  readonly username?: string;
  readonly password?: string;
  /** For a server that stands still; 1 s by default. */
  readonly timeoutMs?: number;
}

/** Rejects when the server is away or stands still. */
export async function ask(port: number, command: readonly (string | number)[], { timeoutMs = 1_000, ...access }: AskOptions = {}): Promise<unknown> {
  const client = new Redis({
    ...access,
    host: '127.0.0.1',
    port,
    protocol: 2,
    lazyConnect: true,
    retryStrategy: () => null,
    enableReadyCheck: false,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const [name, ...args] = command;
    return await client.call(String(name), ...args);
  } finally {
    client.disconnect();
  }
}

/** Looks every few milliseconds; a look that throws is a no. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  const end = Date.now() + ms;
  let last: unknown = 'no';
  while (Date.now() < end) {
    try {
      if (await isTrue()) return;
    } catch (error) {
      last = error;
    }
    await pause(15);
  }
  throw new Error(`not within ${ms} ms: ${what} (${String(last)})`);
}
