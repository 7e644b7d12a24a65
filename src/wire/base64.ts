/** Long base64 in a body: images, audio, files. */

/** Judged by samples of 256 bytes after the start and before the end: text of that length has spaces, or is not ASCII. */
export function isBase64(bytes: Uint8Array, start: number, end: number): boolean {
  for (let k = 0; k < 256; k++) {
    if (!isBase64Char(bytes[start + 512 + k]!) || !isBase64Char(bytes[end - 1 - k]!)) return false;
  }
  return true;
}

function isBase64Char(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || (c >= 0x2f && c <= 0x39) || c === 0x2b || c === 0x3d || c === 0x2d || c === 0x5f;
}
