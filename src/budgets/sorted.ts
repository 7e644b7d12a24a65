/** Members ordered by score, then by name: what Redis calls a sorted set. Scores mostly grow, so adding is at the end. */
export class SortedSet {
  readonly #scores = new Map<string, number>();
  readonly #order: string[] = [];

  get size(): number {
    return this.#order.length;
  }

  score(member: string): number | undefined {
    return this.#scores.get(member);
  }

  add(member: string, score: number): void {
    if (this.#scores.has(member)) this.remove(member);
    const last = this.#order.at(-1);
    const follows = last === undefined || this.#scores.get(last)! < score;
    this.#scores.set(member, score);
    if (follows) this.#order.push(member);
    else this.#order.splice(this.#position(member, score), 0, member);
  }

  remove(member: string): void {
    const score = this.#scores.get(member);
    if (score === undefined) return;
    this.#order.splice(this.#position(member, score), 1);
    this.#scores.delete(member);
  }

  /** How many have a score above `score`. */
  countAbove(score: number): number {
    return this.#order.length - this.#upTo(score);
  }

  /** The first members with a score of at most `score`. */
  upTo(score: number, most = Infinity): string[] {
    const first = this.#order[0];
    if (first === undefined || this.#scores.get(first)! > score) return [];
    return this.#order.slice(0, Math.min(most, this.#upTo(score)));
  }

  /** As `upTo`, removed. */
  takeUpTo(score: number, most = Infinity): string[] {
    const taken = this.upTo(score, most);
    this.#order.splice(0, taken.length);
    for (const member of taken) this.#scores.delete(member);
    return taken;
  }

  #upTo(score: number): number {
    return this.#search((member) => this.#scores.get(member)! <= score);
  }

  #position(member: string, score: number): number {
    return this.#search((other) => {
      const its = this.#scores.get(other)!;
      return its < score || (its === score && other < member);
    });
  }

  #search(isBefore: (member: string) => boolean): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.#order[middle]!)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
