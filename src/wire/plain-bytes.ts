/** Bytes that may stand in a JSON string as they are: neither quote nor backslash nor control character. Most of a prompt is such bytes. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** 1 for such a byte: one look decides. */
export const PLAIN = new Uint8Array(256).fill(1, 0x20);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;

const EACH = 0x01010101;
const HIGH = 0x80808080 | 0;

/** No byte of the four is a quote, a backslash or below 0x20 (the zero-byte test of Bit Twiddling Hacks, "haszero" and "hasless"). */
export function isPlain(word: number): boolean {
  const quote = word ^ (EACH * QUOTE);
  const backslash = word ^ (EACH * BACKSLASH);
  return ((((word - EACH * 0x20) & ~word) | ((quote - EACH) & ~quote) | ((backslash - EACH) & ~backslash)) & HIGH) === 0;
}

/** Where a text begins: behind a byte order mark, if it has one. */
export function afterMark(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}
