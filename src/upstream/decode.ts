/** Undoes a content-encoding: the upstream is asked for `identity`, but some encode all the same. */
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import type { Transform } from 'node:stream';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** @returns undefined for no encoding, `unknown` for one that cannot be undone */
export function decoderFor(encoding: string | undefined): Transform | 'unknown' | undefined {
  const name = encoding?.trim().toLowerCase();
  if (name === undefined || name === '' || name === 'identity') return undefined;
  return Object.hasOwn(DECODERS, name) ? DECODERS[name]!() : 'unknown';
}
