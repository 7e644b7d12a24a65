/** An array of exactly this many, to be filled in. One that is pushed to takes room for 17 at the first: more than all that a short list holds. */
export function sized<T>(length: number): T[] {
  // oxlint-disable-next-line unicorn/no-new-array -- the length is what is meant
  return new Array<T>(length);
}
