/**
 * Adds entries to YAML and takes them away again by editing its text at the places that the parser tells: printing the parsed
 * document anew would reflow quotes, comments and indentation that are the author's.
 */
import { isAlias, isCollection, isMap, isScalar, isSeq, stringify, type Node, type Pair, type YAMLMap, type YAMLSeq } from 'yaml';
import { aboveComments, insertedLines, lineStart, nextLine, removedLines, type Edit } from './lines.ts';

/** What cannot be done there; the message is for the file's author. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

const ANOTHER_WAY = 'is written in a way that cannot be edited in place: write it as a plain block, one key a line';

export class Editor {
  readonly #edits: Edit[] = [];
  readonly #lines: [from: number, to: number][] = [];
  readonly #text: string;
  /** Whether the author indents lists below their key. */
  readonly #indentSeq: boolean;

  constructor(text: string, indentSeq: boolean) {
    this.#text = text;
    this.#indentSeq = indentSeq;
  }

  edits(): Edit[] {
    return [...this.#edits, ...removedLines(this.#text, this.#lines)];
  }

  removeLines(from: number, to: number): void {
    this.#lines.push([from, to]);
  }

  addPair(map: YAMLMap, where: 'before' | 'after', pair: Pair, key: string, value: unknown): void {
    const index = map.items.indexOf(pair);
    if (map.flow) {
      this.#addFlow(map, where === 'before' ? index : index + 1, [`${JSON.stringify(key)}: ${JSON.stringify(value)}`]);
      return;
    }
    const column = this.#column(keyOf(pair));
    let at: number;
    if (where === 'after') at = nextLine(this.#text, endOf(pair));
    else at = aboveComments(this.#text, this.#lineOf(keyOf(pair)), this.#endBefore(map, index));
    this.#insert(at, column, { [key]: value });
  }

  /** Into the mapping that is the pair's value, as its first entry. */
  addEntry(owner: Pair, key: string, value: unknown): void {
    const { value: map } = owner;
    if (isMap(map) && (map.flow || map.items.length > 0)) {
      if (map.items.length > 0) this.addPair(map, 'before', map.items[0]!, key, value);
      else this.#addFlow(map, 0, [`${JSON.stringify(key)}: ${JSON.stringify(value)}`]);
      return;
    }
    this.#insertUnder(owner, 2, { [key]: value });
  }

  /** Into the list that is the pair's value. */
  addItems(owner: Pair, index: number, items: readonly unknown[]): void {
    const { value: list } = owner;
    if (isSeq(list) && list.flow) {
      this.#addFlow(list, index, items.map((item) => JSON.stringify(item)));
      return;
    }
    if (!isSeq(list)) {
      this.#insertUnder(owner, this.#indentSeq ? 2 : 0, items);
      return;
    }
    const dash = this.#dash(list, Math.min(index, list.items.length - 1));
    const column = dash - lineStart(this.#text, dash);
    const at = index < list.items.length ? aboveComments(this.#text, this.#lineAt(dash), this.#endBefore(list, index)) : nextLine(this.#text, endOf(list.items.at(-1)));
    this.#insert(at, column, items);
  }

  removePairs(map: YAMLMap, keys: readonly string[]): void {
    const gone = map.items.flatMap((pair, i) => (keys.includes(nameOf(pair)) ? [i] : []));
    if (map.flow) this.#removeFlow(map, gone);
    else for (const i of gone) this.#removeBlock(this.#lineOf(keyOf(map.items[i]!)), map.items[i]);
  }

  removeItems(list: YAMLSeq, gone: readonly number[]): void {
    if (list.flow) this.#removeFlow(list, gone);
    else for (const i of gone) this.#removeBlock(this.#lineAt(this.#dash(list, i)), list.items[i]);
  }

  #removeBlock(from: number, content: unknown): void {
    this.removeLines(from, nextLine(this.#text, endOf(content)));
  }

  #insert(at: number, column: number, value: unknown): void {
    const lines = stringify(value, { indentSeq: this.#indentSeq, lineWidth: 0 }).replace(/^(?=.)/gm, ' '.repeat(column));
    this.#edits.push(insertedLines(this.#text, at, lines));
  }

  /** Below a key that has no value yet. */
  #insertUnder(owner: Pair, indent: number, value: unknown): void {
    const key = keyOf(owner);
    if (!isEmpty(owner.value)) throw new Refused(offsetOf(owner), `${nameOf(owner)} ${isScalar(owner.value) && owner.value.value === null ? 'is null: leave it out' : ANOTHER_WAY}`);
    this.#insert(nextLine(this.#text, key.range![1]), this.#column(key) + indent, value);
  }

  #addFlow(collection: YAMLMap | YAMLSeq, index: number, items: readonly string[]): void {
    const joined = items.join(', ');
    const { items: there } = collection;
    let edit: [at: number, text: string];
    if (index < there.length) edit = [offsetOf(there[index]), `${joined}, `];
    else if (there.length > 0) edit = [endOf(there.at(-1)), `, ${joined}`];
    else edit = [afterBracket(this.#text, collection), joined];
    this.#edits.push({ from: edit[0], to: edit[0], text: edit[1] });
  }

  /** Whole runs, each with one of the commas beside it: the opposite of `#addFlow`. */
  #removeFlow({ items }: YAMLMap | YAMLSeq, gone: readonly number[]): void {
    for (const first of gone.filter((i) => !gone.includes(i - 1))) {
      let last = first;
      while (gone.includes(last + 1)) last++;
      const next = items[last + 1];
      const from = next === undefined && first > 0 ? endOf(items[first - 1]) : offsetOf(items[first]);
      this.#edits.push({ from, to: next === undefined ? endOf(items[last]) : offsetOf(next), text: '' });
    }
  }

  #column(key: Node): number {
    return key.range![0] - lineStart(this.#text, key.range![0]);
  }

  #lineOf(key: Node): number {
    return this.#lineAt(key.range![0]);
  }

  #lineAt(offset: number): number {
    const start = lineStart(this.#text, offset);
    if (this.#text.slice(start, offset).trim() !== '') throw new Refused(offset, `this ${ANOTHER_WAY}`);
    return start;
  }

  #dash(list: YAMLSeq, index: number): number {
    const token = list.srcToken?.type === 'block-seq' ? list.srcToken.items[index]?.start.find(({ type }) => type === 'seq-item-ind') : undefined;
    if (!token) throw new Refused(offsetOf(list), `this list ${ANOTHER_WAY}`);
    return token.offset;
  }

  /** What looks like a comment may be the end of the text in the entry before. */
  #endBefore({ items }: YAMLMap | YAMLSeq, index: number): number {
    return index === 0 ? 0 : nextLine(this.#text, endOf(items[index - 1]));
  }
}

export function keyOf(pair: Pair): Node {
  const { key } = pair;
  if (!isScalar(key) || !key.range) throw new Refused(0, `a key ${ANOTHER_WAY}`);
  return key;
}

export function nameOf({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : '';
}

/** Neither a value nor a word for none. */
export function isEmpty(value: unknown): boolean {
  return value === null || (isScalar(value) && value.value === null && !value.source);
}

export function offsetOf(content: unknown): number {
  if (isPair(content)) return keyOf(content).range![0];
  return (content as Node | null | undefined)?.range?.[0] ?? 0;
}

/** Where the content of a node or pair ends: before the comment behind it, or after the last line of a block of text. */
export function endOf(content: unknown): number {
  if (isPair(content)) return isEmpty(content.value) ? keyOf(content).range![1] : endOf(content.value);
  if (isCollection(content) && !content.flow && content.items.length > 0) return endOf(content.items.at(-1));
  return (content as Node).range?.[1] ?? 0;
}

function isPair(content: unknown): content is Pair {
  return typeof content === 'object' && content !== null && 'key' in content && !isAlias(content);
}

function afterBracket(text: string, collection: YAMLMap | YAMLSeq): number {
  const at = collection.srcToken?.type === 'flow-collection' ? collection.srcToken.start.offset : text.search(/[[{]/);
  return at + 1;
}
