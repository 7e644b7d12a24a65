/**
 * A model that is asked to go on often begins with the last words over again. They are told from a text that repeats itself,
 * because a letter that is lost is worse than a word that stands twice.
 */

/** Longer repetitions are not looked for: the stream would have to wait for them. */
const LONGEST = 200;
/** Shorter ones may be chance, but for a word that would be glued to itself. */
const SURE = 16;
const SHORTEST_WORD = 3;

/** In scripts that part their words. */
const LETTER = /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}]/u;

/** Whether more of the continuation could make the overlap longer than it is. */
export function mayGrow(text: string, begin: string): boolean {
  for (let at = Math.max(0, text.length - LONGEST); at + begin.length < text.length; at++) {
    if (text.startsWith(begin, at)) return true;
  }
  return false;
}

/** How many characters of the continuation's `begin` repeat the end of `text`. */
export function overlap(text: string, begin: string): number {
  for (let length = Math.min(LONGEST, text.length, begin.length); length > 0; length--) {
    if (text.endsWith(begin.slice(0, length))) return isRepetition(text, length) ? length : 0;
  }
  return 0;
}

function isRepetition(text: string, length: number): boolean {
  const at = text.length - length;
  const end = text.slice(at);
  const before = text.slice(0, at);
  if (gluesWords(before, end)) return true;
  // A text that repeats itself already (rows of zeros, a refrain) may well go on so.
  return length >= SURE && !before.endsWith(end) && !repeatsItself(end);
}

/** `… the lazy` and `the lazy dog`: kept, the last word would be `lazythe`. */
function gluesWords(before: string, end: string): boolean {
  if (end.length < SHORTEST_WORD || !LETTER.test(end.at(-1)!) || !LETTER.test(end[0]!)) return false;
  return before === '' || !LETTER.test(before.at(-1)!);
}

/** Made of one piece, at least twice. */
function repeatsItself(text: string): boolean {
  for (let piece = 1; piece <= text.length / 2; piece++) if (text.startsWith(text.slice(piece))) return true;
  return false;
}
