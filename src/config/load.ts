/** From the text of a file to a configuration, or to every mistake in it with its place. */
import { LineCounter, parseAllDocuments, type Document } from 'yaml';
import { CONFIG_KEY } from '../kubernetes/config-map.ts';
import { hashOf } from '../wire/hash.ts';
import { judge, type Verdict } from './judge.ts';
import { withoutSecrets } from './looks-like-secret.ts';
import { embedded, isConfigMap, type Embedded, type Place } from './manifest.ts';
import { textMistake } from './text.ts';
import { readTree, type Mistake } from './tree.ts';
import type { LoadResult, Problem } from './types.ts';
import { yamlMistakes } from './yaml-errors.ts';

/** Nobody reads more, and the status page carries them all. */
const MOST_PROBLEMS = 1000;

/**
 * Never throws. Reads plain YAML, or a manifest that holds it.
 * @param file how the file is called in messages
 * @param key the ConfigMap's key, if the text is a manifest
 */
export function parseConfig(text: string, file: string, key: string = CONFIG_KEY): LoadResult {
  const outer = open(text);
  const locate = (offset: number): Place => place(outer.lines, offset);
  if (outer.documents.length === 0) return refused(text, file, outer.mistakes, locate);
  const found = manifestIn(outer.documents, key, text, outer.lines);
  if (found === undefined) return result(text, file, outer, locate);
  if ('offset' in found || outer.mistakes.length > 0) return refused(text, file, 'offset' in found ? [found, ...outer.mistakes] : outer.mistakes, locate);
  const inner = open(found.text);
  return result(found.text, file, inner, (offset) => found.outer(place(inner.lines, offset)));
}

interface Opened {
  readonly documents: readonly Document.Parsed[];
  readonly lines: LineCounter;
  readonly mistakes: readonly Mistake[];
}

function open(text: string): Opened {
  const lines = new LineCounter();
  const wrong = textMistake(text);
  if (wrong) {
    // The parser that counts the lines does not run.
    lines.addNewLine(0);
    for (let at = text.indexOf('\n'); at >= 0 && at < wrong.offset; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
    return { documents: [], lines, mistakes: [wrong] };
  }
  try {
    const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, strict: true });
    const documents = Array.isArray(parsed) ? (parsed as Document.Parsed[]) : [];
    if (documents.length === 0) return { documents, lines, mistakes: [{ offset: 0, message: 'the file is empty: models and groups are required' }] };
    return { documents, lines, mistakes: yamlMistakes(documents, text) };
  } catch {
    // The parser is recursive: brackets within brackets exhaust its stack.
    return { documents: [], lines, mistakes: [{ offset: 0, message: 'nested too deeply: this is no configuration' }] };
  }
}

/** Undefined when the text is no manifest. */
function manifestIn(documents: readonly Document[], key: string, text: string, lines: LineCounter): Embedded | Mistake | undefined {
  const maps = documents.filter(isConfigMap);
  const results = maps.map((document) => embedded(document, key, text, lines));
  const holding = results.filter((one) => 'outer' in one);
  if (holding.length === 1 || (maps.length === 1 && documents.length === 1)) return holding[0] ?? results[0];
  if (holding.length > 1) return { offset: offsetOf(maps[1]), message: `several ConfigMaps here have a key ${key}: keep one of them in the file` };
  if (documents.length === 1) return undefined;
  return { offset: offsetOf(documents[1]), message: 'a second document begins here: a configuration is one document; remove what is after the ---' };
}

function offsetOf(document: Document | undefined): number {
  return document?.contents?.range?.[0] ?? document?.range?.[0] ?? 0;
}

type Locate = (offset: number) => Place & { readonly note?: string };

function result(text: string, file: string, { documents, mistakes }: Opened, locate: Locate): LoadResult {
  const [document, second] = documents;
  // A tree from broken YAML is not what its author meant: what it would be blamed for only confuses.
  if (!document || mistakes.length > 0) return refused(text, file, mistakes, locate);
  if (second) return refused(text, file, [{ offset: offsetOf(second), message: 'a second document begins here: a configuration is one document' }], locate);
  const tree = readTree(document);
  const verdict: Verdict = judge(tree, (offset) => locate(offset).line);
  if (!verdict.config) return refused(text, file, verdict.mistakes, locate);
  const inactive = verdict.inactive.map((one) => ({ ...problem(file, one, locate), path: one.path }));
  return { ok: true, config: verdict.config, hash: shortHash(text), inactive: sorted(inactive) };
}

function refused(text: string, file: string, mistakes: readonly Mistake[], locate: Locate): LoadResult {
  const all = sorted(mistakes.map((mistake) => problem(file, mistake, locate)));
  const last = all[MOST_PROBLEMS - 1];
  const more = all.length - MOST_PROBLEMS;
  const problems = last && more > 0 ? [...all.slice(0, MOST_PROBLEMS), { ...last, message: `and ${more} more mistakes after this one` }] : all;
  return { ok: false, hash: shortHash(text), problems };
}

function problem(file: string, { offset, message }: Mistake, locate: Locate): Problem {
  const { line, column, note } = locate(offset);
  return { file, line, column, message: withoutSecrets(`${message}${note ?? ''}`) };
}

function sorted<P extends Problem>(problems: readonly P[]): P[] {
  const unique = new Map(problems.map((one) => [`${one.line}:${one.column}:${one.message}`, one]));
  return [...unique.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function place(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** As the log and /status show it. */
function shortHash(text: string): string {
  return hashOf(text).slice(0, 16);
}
