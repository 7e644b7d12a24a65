/** What the YAML parser objects to, in words that say what to do. Its own may repeat the file's text, so few are kept. */
import { visit, type Document, type YAMLError } from 'yaml';
import type { Mistake } from './tree.ts';

const WORDS: Readonly<Partial<Record<YAMLError['code'], string>>> = {
  TAB_AS_INDENT: 'tabs are not allowed as indentation: use spaces',
  BAD_INDENT: 'wrong indentation: keys of one mapping, and items of one list, begin in the same column',
  BAD_SCALAR_START: 'text that begins with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a second "key:" on one line: begin a new line, or put quotes around text that holds ": "',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line and be followed by a colon',
  BLOCK_IN_FLOW: 'inside { } and [ ] only { } and [ ] can follow: a line or an indentation is wrong',
  BAD_DQ_ESCAPE: 'not an escape sequence: use single quotes, or write \\\\ for a backslash',
  BAD_DIRECTIVE: 'a line that begins with % is a directive: remove it',
  BAD_ALIAS: 'text that begins with & or * is an anchor or an alias: put quotes around it',
  TAG_RESOLVE_FAILED: 'text that begins with ! is a tag: put quotes around it',
  RESOURCE_EXHAUSTION: 'nested too deeply: this is no configuration',
  KEY_OVER_1024_CHARS: 'this key is too long: is a quote or a line break missing?',
};

const OPEN_QUOTE = 'a closing quote is missing';

const MOST = 50;

/** One a line: what follows on the same line is mostly an echo of the first. */
export function yamlMistakes(documents: readonly Document[], text: string): Mistake[] {
  const lines = new Set<number>();
  return documents
    .filter(({ errors, warnings }) => errors.length + warnings.length > 0)
    .slice(0, MOST)
    .flatMap((document) => first([...document.errors, ...document.warnings]).map((error) => ({ offset: begin(document, error, text), message: words(error) })))
    .map((mistake) => tabBefore(text, mistake))
    .toSorted((a, b) => a.offset - b.offset)
    .filter(({ offset }, i, all) => {
      // An open quote swallows what follows it.
      if (all.slice(0, i).some(({ message }) => message === OPEN_QUOTE)) return false;
      const line = lineStart(text, offset);
      return !lines.has(line) && lines.add(line);
    });
}

/** In a file that is no YAML at all each character may be an error, and each costs a search for its line. */
function first(errors: readonly YAMLError[]): YAMLError[] {
  return errors.toSorted((a, b) => a.pos[0] - b.pos[0]).slice(0, MOST);
}

function words({ code, message }: YAMLError): string {
  if (isOpenQuote({ code, message })) return OPEN_QUOTE;
  if (code === 'MISSING_CHAR' && message.startsWith('Implicit map keys')) return 'expected "key: value": is a colon missing, or the space after it?';
  if (/flow (?:map|sequence|collection)/i.test(message)) return 'a comma or a closing } or ] is missing, or this line is not indented far enough';
  const own = WORDS[code];
  if (own !== undefined) return own;
  const first = message.split(/: "|\n/)[0] ?? '';
  return `this is not valid YAML: ${first.charAt(0).toLowerCase()}${first.slice(1)}`;
}

function isOpenQuote({ code, message }: Pick<YAMLError, 'code' | 'message'>): boolean {
  return code === 'MISSING_CHAR' && message.includes('quote');
}

/** The parser misses a quote where the file ends; its author misses it where the text begins. */
function begin(document: Document, error: YAMLError, text: string): number {
  let offset = Math.min(error.pos[0], text.length);
  if (isOpenQuote(error)) {
    visit(document, {
      Scalar: (_, { range, type }) => {
        if (type?.startsWith('QUOTE') && range && range[0] < offset && offset <= range[1]) offset = range[0];
      },
    });
  }
  const indent = offset === lineStart(text, offset) ? (/^ */.exec(text.slice(offset, offset + 200))?.[0].length ?? 0) : 0;
  return offset + indent;
}

/** A tab in the indentation has many names in the parser's errors, and one cause. */
function tabBefore(text: string, mistake: Mistake): Mistake {
  const start = lineStart(text, mistake.offset);
  const indent = /^ *\t/.exec(text.slice(start, start + 200));
  if (!indent) return mistake;
  return { offset: start + indent[0].length - 1, message: 'tabs are not allowed as indentation: use spaces' };
}

function lineStart(text: string, offset: number): number {
  return offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
}
