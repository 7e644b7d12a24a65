import type { IncomingMessage } from 'node:http';

/** Of an answer, as undici gives them: any that stands more than once is a list (node:http's own type says so of a few only). */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Of a header that stands more than once, the first. */
export function firstOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value[0] : value;
}

/** A header that may stand once; an empty one counts as none. */
export function headerOf(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
