/** The configuration inside a Kubernetes ConfigMap manifest, with its places in the manifest as its author sees them. */
import { isMap, isScalar, Scalar, type Document, type LineCounter } from 'yaml';
import type { Mistake } from './tree.ts';

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Embedded {
  readonly text: string;
  /** From a place in the configuration's own text to the one in the manifest. */
  outer(inner: Place): Place & { readonly note?: string };
}

export function isConfigMap(document: Document): boolean {
  return isMap(document.contents) && document.contents.get('kind') === 'ConfigMap';
}

export function embedded(document: Document, key: string, source: string, lines: LineCounter): Embedded | Mistake {
  const data = isMap(document.contents) ? document.contents.get('data', true) : undefined;
  if (!isMap(data)) return { offset: data?.range?.[0] ?? document.contents?.range?.[0] ?? 0, message: `this ConfigMap has no data: the configuration is expected under data, ${key}` };
  const node = data.get(key, true);
  if (!isScalar(node) || typeof node.value !== 'string') {
    const known = data.items.map((item) => String(isScalar(item.key) ? item.key.value : '?')).join(', ');
    const message = node ? `the value of ${key} must be text: write ${key}: |` : `this ConfigMap has no key ${key}; it has ${known || 'none'}`;
    return { offset: (isScalar(node) ? node.range?.[0] : undefined) ?? data.range?.[0] ?? 0, message };
  }
  const start = lines.linePos(node.range?.[0] ?? 0);
  const text = node.value;
  if (node.type !== Scalar.BLOCK_LITERAL) return { text, outer: pointAtScalar({ line: start.line, column: start.col }, key) };
  const shift = indentation(text, source.split('\n').slice(start.line));
  return { text, outer: ({ line, column }) => ({ line: start.line + line, column: column + shift }) };
}

/** Folded and quoted text has lines of its own, so the message says which. */
function pointAtScalar(scalar: Place, key: string): Embedded['outer'] {
  return ({ line }) => ({ ...scalar, note: ` (line ${line} of ${key})` });
}

/** How far the manifest indents the text: compared on the first line that is not blank. */
function indentation(text: string, after: readonly string[]): number {
  const inner = text.split('\n');
  const first = inner.findIndex((line) => line.trim() !== '');
  if (first < 0) return 0;
  return leading(after[first] ?? '') - leading(inner[first] ?? '');
}

function leading(line: string): number {
  return line.length - line.trimStart().length;
}
