/** A YAML document as plain values, with the place in the file of every key and value. */
import { isAlias, isMap, isScalar, isSeq, type Alias, type Document, type Node } from 'yaml';
import { quoted } from './looks-like-secret.ts';

export type Path = readonly (string | number)[];
export type At = 'key' | 'value';
/** A mistake before its offset becomes a line and a column. */
export interface Mistake {
  readonly offset: number;
  readonly message: string;
}

export interface Tree {
  readonly value: unknown;
  readonly mistakes: readonly Mistake[];
  /** Paths whose value could not be read whole: what seems to be missing there may be there. */
  readonly broken: readonly Path[];
  /** Where the path stands; for a path that is not there, its nearest parent that is. */
  offset(path: Path, at: At): number;
}

/** Far above any real configuration; aliases that multiply each other end here. */
const MOST_NODES = 50_000;
const DEEPEST = 60;
/** Each costs a search through the document. */
const MOST_ALIASES = 100;
/** Keys that reach JavaScript's own machinery. */
const UNSAFE = new Set(['__proto__', 'constructor', 'prototype']);

class TooMuch {
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
}

export function readTree(doc: Document.Parsed): Tree {
  const reader = new Reader(doc);
  let value: unknown;
  try {
    value = doc.contents ? reader.read(doc.contents, [], 0) : null;
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    reader.broken.push([]);
    reader.mistakes.push({ offset: error.offset, message: 'too large or nested too deeply: this is no configuration' });
  }
  return { value, mistakes: reader.mistakes, broken: reader.broken, offset: (path, at) => reader.offset(path, at) };
}

class Reader {
  readonly mistakes: Mistake[] = [];
  readonly broken: Path[] = [];
  readonly #doc: Document.Parsed;
  readonly #places = new Map<string, { key: number; value: number }>();
  #nodes = 0;
  #aliases = 0;

  constructor(doc: Document.Parsed) {
    this.#doc = doc;
  }

  offset(path: Path, at: At): number {
    for (let length = path.length; length >= 0; length--) {
      const place = this.#places.get(JSON.stringify(path.slice(0, length)));
      if (place) return at === 'key' && length === path.length ? place.key : place.value;
    }
    return 0;
  }

  read(node: unknown, path: Path, key: number): unknown {
    const offset = startOf(node, key);
    if (++this.#nodes > MOST_NODES || path.length > DEEPEST) throw new TooMuch(offset);
    this.#places.set(JSON.stringify(path), { key, value: offset });
    if (isAlias(node)) return this.#alias(node, path, key);
    if (isMap(node)) return this.#map(node.items, path);
    if (isSeq(node)) return node.items.map((item, i) => this.read(item, [...path, i], startOf(item, offset)));
    if (!isScalar(node)) return null;
    if (node.value === null || ['string', 'number', 'boolean'].includes(typeof node.value)) return node.value;
    return this.#unread(path, offset, 'a value of this kind has no place in a configuration');
  }

  #alias(node: Alias, path: Path, key: number): unknown {
    if (++this.#aliases > MOST_ALIASES) throw new TooMuch(startOf(node, key));
    const target = node.resolve(this.#doc);
    if (!target) return this.#unread(path, startOf(node, key), 'there is no anchor of this name before the alias');
    const value = this.read(target, path, key);
    // The value stands where the alias stands; what is inside it, where it was written.
    this.#places.set(JSON.stringify(path), { key, value: startOf(node, key) });
    return value;
  }

  #map(items: readonly { key: unknown; value: unknown }[], path: Path): unknown {
    const seen = new Map<string, unknown>();
    for (const { key, value } of items) {
      const offset = startOf(key, startOf(value, 0));
      const name = keyOf(key);
      if (name === undefined) this.#unread(path, offset, 'a key must be plain text');
      else if (name === '<<') this.#unread(path, offset, 'merge keys (<<) are not supported: write the keys out');
      else if (UNSAFE.has(name)) this.#mistake(offset, `the key ${name} is refused: use another name`);
      else if (seen.has(name)) this.#mistake(offset, `the key ${quoted(name)} stands here twice: remove one`);
      else seen.set(name, this.read(value, [...path, name], offset));
    }
    return Object.fromEntries(seen);
  }

  #mistake(offset: number, message: string): void {
    this.mistakes.push({ offset, message });
  }

  #unread(path: Path, offset: number, message: string): undefined {
    this.broken.push(path);
    this.#mistake(offset, message);
    return undefined;
  }
}

/** Numbers and the like as they are written: 1.10 is not 1.1 as a name. */
function keyOf(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined;
  if (typeof key.value === 'string') return key.value;
  if (key.value === null || typeof key.value === 'object') return undefined;
  return typeof key.source === 'string' ? key.source : String(key.value);
}

/** A value that was left empty has no place of its own: its key stands for it. */
function startOf(node: unknown, otherwise: number): number {
  const range = (node as Node | null)?.range;
  if (!range) return otherwise;
  return isScalar(node) && node.value === null && range[0] === range[1] ? otherwise : range[0];
}
