/** Reads a configuration file as text, never more than a configuration can be. */
import { open } from 'node:fs/promises';
import { LARGEST } from '../text.ts';

const CHUNK = 65_536;

/** One byte more than allowed is enough to see that it is too large. Bytes that are no UTF-8 become U+FFFD, which the loader reports. */
export async function readText(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    // Not by its size: a pipe has none, and a file may be growing.
    const chunks: Buffer[] = [];
    for (let left = LARGEST + 1; left > 0; ) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(left, CHUNK)), 0);
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      left -= bytesRead;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(chunks));
  } finally {
    await file.close();
  }
}
