/** The sidecar into every workload of a file, or out of it. Neither touches a byte that is not its own. */
import { isMap, isScalar, isSeq, parseAllDocuments, stringify, visit, type Document } from 'yaml';
import { accessObjects, MANAGED_BY, MANAGER, type AccessObject } from './access.ts';
import { add, type Wanted } from './add.ts';
import type { Note } from './checks.ts';
import { Editor, offsetOf, Refused } from './editor.ts';
import { applied, eolOf, lineStart, type Edit } from './lines.ts';
import { strip } from './strip.ts';
import { KINDS, metadataOf, objectsIn, textAt, valueAt, workloadsIn, type Workload } from './workloads.ts';

export type { Wanted } from './add.ts';

export interface Remark {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export type Outcome =
  | { readonly ok: true; readonly text: string; readonly notes: readonly Remark[] }
  | { readonly ok: false; readonly problems: readonly Remark[] };

/** Running it again makes the sidecar anew from what is wanted then; with the same wishes, the same bytes. */
export function inject(text: string, wanted: Wanted): Outcome {
  return attempt(text, (at) => {
    const { text: bare, edits: taken } = stripped(text);
    at.outer = (offset) => before(offset, taken);
    const { documents, workloads } = open(bare);
    const indentSeq = indentsLists(documents, bare);
    const editor = new Editor(bare, indentSeq);
    const added = workloads.map((workload) => add(editor, workload, wanted));
    const objects = unique(added.flatMap(({ access }) => (access ? accessObjects(access) : [])), documents);
    return { text: applied(bare, editor.edits()) + further(bare, objects, indentSeq), notes: added.flatMap(({ notes }) => notes) };
  });
}

export function remove(text: string): Outcome {
  return attempt(text, () => {
    const { text: bare, edits } = stripped(text);
    return { text: bare, notes: edits.length > 0 ? [] : [{ offset: 0, message: 'no sidecar of inject is here: nothing was changed' }] };
  });
}

/** Places in the file as it was given. */
interface Places {
  outer: (offset: number) => number;
}

function attempt(text: string, act: (places: Places) => { text: string; notes: readonly Note[] }): Outcome {
  const places: Places = { outer: (offset) => offset };
  const remark = ({ offset, message }: Note): Remark => {
    const at = places.outer(offset);
    const start = lineStart(text, at);
    return { line: text.slice(0, start).split('\n').length, column: at - start + 1, message };
  };
  try {
    const { text: changed, notes } = act(places);
    return { ok: true, text: changed, notes: notes.map(remark) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { ok: false, problems: [remark(error)] };
  }
}

interface Opened {
  readonly documents: readonly Document.Parsed[];
  readonly workloads: readonly Workload[];
}

function open(text: string): Opened {
  const documents = parsed(text);
  const hint = text.includes('{{') ? '; a template of Helm is rendered first: helm template . | spillway inject -f -' : '';
  const error = documents.flatMap(({ errors }) => errors)[0];
  if (error) throw new Refused(error.pos[0], (/call stack/.test(error.message) ? TOO_DEEP : error.message) + hint);
  const workloads = documents.flatMap(({ contents }) => workloadsIn(contents));
  if (workloads.length === 0) throw new Refused(0, `there is no workload here: expected one of ${KINDS.join(', ')}${hint}`);
  return { documents, workloads };
}

/** The parser is recursive. */
const TOO_DEEP = 'nested too deeply: this is no manifest';

function parsed(text: string): Document.Parsed[] {
  try {
    const documents = parseAllDocuments(text, { keepSourceTokens: true, prettyErrors: false });
    return Array.isArray(documents) ? (documents as Document.Parsed[]) : [];
  } catch {
    throw new Refused(0, TOO_DEEP);
  }
}

function stripped(text: string): { text: string; edits: readonly Edit[] } {
  const { documents, workloads } = open(text);
  const editor = new Editor(text, true);
  for (const workload of workloads) strip(editor, workload);
  for (const document of documents) if (isOurs(document.contents)) editor.removeLines(...linesOf(document, text));
  const edits = editor.edits();
  return { text: applied(text, edits), edits };
}

/** Where a place was before something was taken away in front of it. */
function before(offset: number, taken: readonly Edit[]): number {
  return taken.toSorted((a, b) => a.from - b.from).reduce((at, { from, to }) => (from <= at ? at + to - from : at), offset);
}

function isOurs(contents: unknown): boolean {
  const metadata = isMap(contents) ? valueAt(contents, 'metadata') : undefined;
  const labels = isMap(metadata) ? valueAt(metadata, 'labels') : undefined;
  return isMap(labels) && textAt(labels, MANAGED_BY) === MANAGER;
}

/** From its --- to the next one: at the beginning of a line it can be nothing else. */
function linesOf({ contents }: Document.Parsed, text: string): [from: number, to: number] {
  const at = offsetOf(contents);
  const marks = [...text.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index);
  return [marks.findLast((mark) => mark <= at) ?? 0, marks.find((mark) => mark > at) ?? text.length];
}

/** In the file's own manner: its ends of line, and none at the very end if it has none. */
function further(text: string, objects: readonly AccessObject[], indentSeq: boolean): string {
  if (objects.length === 0) return '';
  const eol = eolOf(text);
  const documents = objects.map((object) => `---\n${stringify(object, { indentSeq, lineWidth: 0 })}`).join('').replaceAll('\n', eol);
  return text.endsWith('\n') ? documents : eol + documents.slice(0, -eol.length);
}

/** Once each, and none that the file has already. */
function unique(objects: readonly AccessObject[], documents: readonly Document.Parsed[]): AccessObject[] {
  const id = (kind: string | undefined, name: string | undefined, namespace: string | undefined): string => [kind, name, namespace ?? ''].join(' ');
  const seen = new Set(documents.flatMap(({ contents }) => objectsIn(contents)).map((object) => id(textAt(object, 'kind'), metadataOf(object).name, metadataOf(object).namespace)));
  return objects.filter(({ kind, metadata }) => {
    const key = id(kind, metadata?.name, metadata?.namespace);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Whether the author indents a list below its key: by the first list there is. */
function indentsLists(documents: readonly Document.Parsed[], text: string): boolean {
  let indents: boolean | undefined;
  for (const document of documents) {
    visit(document, {
      Pair(_, { key, value }) {
        if (!isSeq(value) || value.flow || value.items.length === 0 || !isScalar(key) || !key.range) return undefined;
        const dash = value.srcToken?.type === 'block-seq' ? value.srcToken.indent : 0;
        indents = dash > key.range[0] - lineStart(text, key.range[0]);
        return visit.BREAK;
      },
    });
    if (indents !== undefined) return indents;
  }
  return true;
}
