/** The known name that a mistyped one most likely means. */

/** Levenshtein distance, with two swapped neighbours as one change; gives up (returns `most + 1`) as soon as it must exceed `most`. */
export function distance(a: string, b: string, most: number = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min((above[j - 1] ?? 0) + (same ? 0 : 1), (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, swap));
    }
    if (Math.min(...row, ...above) > most) return most + 1;
    before = above;
    above = row;
  }
  return Math.min(above[b.length] ?? 0, most + 1);
}

/** Names longer than any we know are not worth comparing. */
const LONGEST = 200;

/** Undefined when nothing is near: more than a third of the name would have to change. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const wanted = plain(name).slice(0, LONGEST);
  let best: string | undefined;
  let least = Math.floor(wanted.length / 3) + 1;
  for (const candidate of known) {
    const d = distance(wanted, plain(candidate).slice(0, LONGEST), least - 1);
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  return best;
}

/** requests_per_minute, requests-per-minute and requestsPerMinute are the same word to a reader. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[-_\s]/g, '');
}
