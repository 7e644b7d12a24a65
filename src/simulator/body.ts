/** A request's body, whole, up to a limit. */
import type { IncomingMessage } from 'node:http';

export type Body = { bytes: Buffer } | { problem: 'too-large' | 'client-left' };

/** What is too large is read to its end and dropped: a client still writing would not see the answer. */
export function readBody(req: IncomingMessage, limit: number): Promise<Body> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) chunks.push(chunk);
      else chunks.length = 0;
    });
    req.on('end', () => resolve(size > limit ? { problem: 'too-large' } : { bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) }));
    req.on('error', () => resolve({ problem: 'client-left' }));
    req.on('close', () => resolve({ problem: 'client-left' }));
  });
}
