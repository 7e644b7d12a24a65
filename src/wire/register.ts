/**
 * Tables for what comes and goes with every request. V8 copies a Map or a Set to a new table every few dozen entries, and each
 * dead table points to the next one: as soon as one of them has grown old, all that stood in the later ones lives until a
 * full collection (docs/decisions/0006). Here, an entry that is taken out points to nothing, and nothing points to it.
 */
import { sized } from './sized.ts';

export interface Entry<V> {
  readonly key: string;
  /** Entries stand in the order of their ranks, those of one rank by key. */
  readonly rank: number;
  value: V | undefined;
  /** The next one in the same bucket. */
  chained: Entry<V> | undefined;
  /** Its neighbours in the order; undefined once it is taken out. */
  before: Entry<V> | undefined;
  after: Entry<V> | undefined;
}

type Buckets<V> = (Entry<V> | undefined)[];

const FEWEST_BUCKETS = 16;

/** So many of a key's last characters choose its bucket: ids of one pod differ at their ends. */
const TAIL = 6;

export abstract class Table<V> {
  /** As many as there were ever entries, a power of two. */
  #buckets: Buckets<V> = emptyBuckets(FEWEST_BUCKETS);
  #size = 0;
  /** Stands before the first entry and behind the last. */
  readonly #ends: Entry<V> = { key: '', rank: 0, value: undefined, chained: undefined, before: undefined, after: undefined };

  constructor() {
    this.#ends.before = this.#ends;
    this.#ends.after = this.#ends;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return this.find(key)?.value;
  }

  has(key: string): boolean {
    return this.find(key) !== undefined;
  }

  /** Answers whether it was there. */
  delete(key: string): boolean {
    const buckets = this.#buckets;
    const place = placeOf(key, buckets.length);
    let previous: Entry<V> | undefined;
    let entry = buckets[place];
    while (entry !== undefined && entry.key !== key) {
      previous = entry;
      entry = entry.chained;
    }
    if (entry === undefined) return false;
    if (previous === undefined) buckets[place] = entry.chained;
    else previous.chained = entry.chained;
    unlink(entry);
    this.#size -= 1;
    return true;
  }

  /** As a Map's: meanwhile entries may be taken out, which are then not met, and added, which are met. */
  *[Symbol.iterator](): Generator<[string, V]> {
    for (let entry = this.#ends.after!; entry !== this.#ends; entry = entry.after ?? this.#follower(entry)) yield [entry.key, entry.value as V];
  }

  *keys(): Generator<string> {
    for (const [key] of this) yield key;
  }

  *values(): Generator<V> {
    for (const [, value] of this) yield value;
  }

  protected find(key: string): Entry<V> | undefined {
    const buckets = this.#buckets;
    let entry = buckets[placeOf(key, buckets.length)];
    while (entry !== undefined && entry.key !== key) entry = entry.chained;
    return entry;
  }

  /** Of a key that is not there. */
  protected put(key: string, rank: number, value: V): void {
    if (this.#size === this.#buckets.length) this.#grow();
    // Ranks mostly grow: its place is at the end, or near it.
    let before = this.#ends.before!;
    while (before !== this.#ends && isBefore(rank, key, before)) before = before.before!;
    const entry: Entry<V> = { key, rank, value, chained: undefined, before, after: before.after };
    before.after!.before = entry;
    before.after = entry;
    chain(entry, this.#buckets);
    this.#size += 1;
  }

  protected get first(): Entry<V> | undefined {
    return this.next(this.#ends);
  }

  /** @param entry that is in the table */
  protected next(entry: Entry<V>): Entry<V> | undefined {
    return entry.after === this.#ends ? undefined : entry.after;
  }

  /** What now stands behind an entry that was taken out. */
  #follower({ rank, key }: Entry<V>): Entry<V> {
    let entry = this.#ends.after!;
    while (entry !== this.#ends && !isBefore(rank, key, entry)) entry = entry.after!;
    return entry;
  }

  #grow(): void {
    const buckets: Buckets<V> = emptyBuckets(this.#buckets.length * 2);
    // The old array is garbage that may be old: it must not point to anything either.
    this.#buckets.fill(undefined);
    this.#buckets = buckets;
    for (let entry = this.#ends.after!; entry !== this.#ends; entry = entry.after!) chain(entry, buckets);
  }
}

/** As a Map with strings for keys, in the order in which they were added. */
export class Register<V> extends Table<V> {
  #turn = 0;

  set(key: string, value: V): void {
    const known = this.find(key);
    if (known !== undefined) known.value = value;
    else this.put(key, (this.#turn += 1), value);
  }
}

function emptyBuckets<V>(length: number): Buckets<V> {
  return sized<Entry<V> | undefined>(length).fill(undefined);
}

function placeOf(key: string, places: number): number {
  const { length } = key;
  let hash = length;
  for (let i = Math.max(0, length - TAIL); i < length; i += 1) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return hash & (places - 1);
}

function isBefore<V>(rank: number, key: string, entry: Entry<V>): boolean {
  return rank < entry.rank || (rank === entry.rank && key < entry.key);
}

function chain<V>(entry: Entry<V>, buckets: Buckets<V>): void {
  const place = placeOf(entry.key, buckets.length);
  entry.chained = buckets[place];
  buckets[place] = entry;
}

function unlink<V>(entry: Entry<V>): void {
  entry.before!.after = entry.after;
  entry.after!.before = entry.before;
  entry.before = undefined;
  entry.after = undefined;
  entry.chained = undefined;
  entry.value = undefined;
}
