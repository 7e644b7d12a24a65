import { createHash } from 'node:crypto';

/** Tells whether a text is the same as before. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
