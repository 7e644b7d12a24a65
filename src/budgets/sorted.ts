import { Table } from '../wire/register.ts';

/**
 * Members ordered by score, then by name: what Redis calls a sorted set. They may hold something besides. Scores mostly grow, so
 * adding is at the end; and what is looked at in order stands at the beginning.
 */
export class SortedSet<V = void> extends Table<V> {
  score(member: string): number | undefined {
    return this.find(member)?.rank;
  }

  /** Moves it if it is there. */
  add(member: string, score: number, value: V): void {
    this.delete(member);
    this.put(member, score, value);
  }

  /** How many have a score above `score`. */
  countAbove(score: number): number {
    let count = this.size;
    for (let entry = this.first; entry !== undefined && entry.rank <= score; entry = this.next(entry)) count -= 1;
    return count;
  }

  /** The first members with a score of at most `score`. */
  upTo(score: number, most = Infinity): string[] {
    const members: string[] = [];
    for (let entry = this.first; entry !== undefined && entry.rank <= score && members.length < most; entry = this.next(entry)) members.push(entry.key);
    return members;
  }

  /** Takes those out that `upTo` answers. */
  dropUpTo(score: number, most = Infinity): void {
    for (let left = most; left > 0; left -= 1) {
      const { first } = this;
      if (first === undefined || first.rank > score) return;
      this.delete(first.key);
    }
  }
}
