/** docs/configuration.md, written from the same schema that reads the files. */
import { LATER, UNENFORCED } from './built.ts';
import { inputSchema, notesAt, others, type JsonSchema, type SchemaPath } from './json-schema.ts';
import { DURATION } from '../wire/duration.ts';
import { NAME, NAME_WANTED } from './schema/fields.ts';

/** @param example a whole configuration to show */
export function configurationReference(example: string): string {
  const root = inputSchema();
  const pages = sharedObjects(root);
  const sections = Object.entries(root.properties ?? {}).map(([key, node]) => section(key, node, root.required ?? [], pages));
  return `${[introduction(example), ...sections, ...later()].join('\n\n')}\n`;
}

function introduction(example: string): string {
  return `# Configuration

<!-- Written by \`npm run generate\` from src/config/schema.ts. Change the descriptions there, not here. -->

One YAML file, or one key of a ConfigMap, holds everything. Only \`models\` and \`groups\` are required. A key that is not on this
page is a mistake, and a file with a mistake is never used: the sidecar keeps the last good one and says what is wrong, with file,
line and column.

- \`spillway validate FILE\` says every mistake at once.
- \`spillway explain FILE --model NAME\` says which models a request would try, in which order, and why.
- \`# yaml-language-server: $schema=PATH/spillway.schema.json\` as the first line makes an editor complete and check while you type.

## Example

\`\`\`yaml
${example.replace(/^# yaml-language-server: .*\n/, '').trimEnd()}
\`\`\`

More are in [examples/](examples).

## Values

- **Duration**: a number with a unit, as in \`250ms\`, \`10s\`, \`1.5m\`, \`1h\`; at most \`576h\`. \`0\` needs no unit.
- **Money**: US dollars. Prices are for a million tokens.
- **Reference**: \`{ env: NAME }\` for an environment variable, or \`{ file: PATH }\` for a file, which is read again when it changes.
  This is how secrets get in: a key written into the configuration itself is refused.
- **Name**: ${NAME_WANTED}.
  \`auto\` is taken. A group may have a model's name; the name then means the group.
- **Whole number, number, text, true or false**: as in YAML 1.2. Text that looks like a number needs quotes; \`yes\` and \`no\` are text.

In the tables \`models.NAME\` stands for a model of any name, \`[]\` for each item of a list. A dash is a key without a default.${mark() && `\n${mark()} marks what this version does not do: [see below](#not-in-this-version).`}`;
}

function section(key: string, node: JsonSchema, required: readonly string[], pages: Shared): string {
  const named = node.additionalProperties ? [key, 'NAME'] : [key];
  const inner = node.additionalProperties || node;
  const path = node.additionalProperties ? [key, '*'] : [key];
  const needed = required.includes(key) ? ' Required.' : '';
  const about = `${node.description ?? ''}${needed}${inner.properties ? '' : ` ${sentence(node)}`}`;
  const head = `## \`${key}\`${marked(path.slice(0, 1))}\n\n${about}`;
  const table = rows(inner, path, [], pages).map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  if (table.length === 0) return head;
  const where = named.length > 1 ? `\n\nKeys of \`${named.join('.')}\`:` : '';
  return `${head}${where}\n\n| key | type | default | description |\n|---|---|---|---|\n${table.join('\n')}`;
}

/** For a key that is one value, without a table. */
function sentence(node: JsonSchema): string {
  const standard = defaultOf(node);
  return `Type: ${typeOf(node)}.${standard === '–' ? '' : ` Default: ${standard}.`}`;
}

type Row = [key: string, type: string, standard: string, description: string];

/** @param shown the keys from the section's subject down to this object, as they are written */
function rows(node: JsonSchema, path: SchemaPath, shown: readonly string[], pages: Shared): Row[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, value]): Row[] => {
    const here = [...path, key];
    const list = arrayOf(value);
    const object = objectIn(list ?? value);
    const below = list ? [...here, '[]'] : here;
    const home = object && pages.get(signature(object));
    const away = home !== undefined && home !== below.join('.');
    const name = [...shown, key];
    const standard = node.required?.includes(key) ? '**required**' : defaultOf(value);
    const also = away ? ` Keys as in ${link(home)}.` : '';
    const own: Row = [`\`${name.join('.')}\`${marked(here)}`, typeOf(value), standard, `${value.description ?? ''}${also}`];
    if (!object || away) return [own];
    const down = list ? [...shown, `${key}[]`] : name;
    return [own].concat(rows(object, below, down, pages));
  });
}

/** An object that stands in several places is described once: where it stands highest, else first. */
type Shared = ReadonlyMap<string, string>;

function sharedObjects(root: JsonSchema): Shared {
  const found = new Map<string, SchemaPath>();
  const visit = (node: JsonSchema, path: SchemaPath): void => {
    const object = objectIn(node);
    if (object) {
      const key = signature(object);
      const other = found.get(key);
      if (other === undefined || path.length < other.length) found.set(key, path);
      for (const [name, inner] of Object.entries(object.properties ?? {})) visit(inner, [...path, name]);
    }
    const list = arrayOf(node);
    if (list) visit(list, [...path, '[]']);
    if (node.additionalProperties) visit(node.additionalProperties, [...path, '*']);
  };
  visit(root, []);
  return new Map([...found].map(([key, path]) => [key, path.join('.')]));
}

/** Equal keys with equal descriptions; a group's policy has other defaults than the top one, and is the same otherwise. */
function signature(object: JsonSchema): string {
  return JSON.stringify(Object.entries(object.properties ?? {}).map(([key, { description }]) => [key, description]));
}

function link(path: string): string {
  return `[\`${path.replaceAll('*', 'NAME')}\`](#${path.split('.')[0]})`;
}

function arrayOf({ type, items }: JsonSchema): JsonSchema | undefined {
  return type === 'array' ? items : undefined;
}

/** The mapping that a value is or may be; a reference has keys of its own, which the page explains once. */
function objectIn(node: JsonSchema): JsonSchema | undefined {
  if (node.properties) return node;
  if (isReference(node)) return undefined;
  return node.anyOf?.filter((one) => !isReferenceHalf(one)).map(objectIn).find((one) => one !== undefined);
}

function isReferenceHalf({ properties }: JsonSchema): boolean {
  const keys = Object.keys(properties ?? {});
  return keys.length === 1 && ['env', 'file'].includes(keys[0]!);
}

function isReference({ anyOf }: JsonSchema): boolean {
  return anyOf?.length === 2 && anyOf.every(isReferenceHalf);
}

function typeOf(node: JsonSchema): string {
  if (node.anyOf) return unionOf(node.anyOf);
  if (node.enum) return either(node.enum.map(code));
  if (node.const !== undefined) return code(node.const);
  switch (node.type) {
    case 'string':
      if (node.pattern === DURATION.source) return 'duration';
      return node.pattern === NAME.source ? 'name' : 'text';
    case 'boolean':
      return 'true or false';
    case 'integer':
    case 'number':
      return `${node.type === 'integer' ? 'whole number' : 'number'}${rangeOf(node)}`;
    case 'array':
      return `list of ${plural(typeOf(node.items ?? {}))}`;
    case 'object':
      return node.additionalProperties ? `mapping of text to ${typeOf(node.additionalProperties)}` : 'mapping';
    default:
      return node.type ?? 'anything';
  }
}

function unionOf(alternatives: readonly JsonSchema[]): string {
  const halves = alternatives.filter(isReferenceHalf).length;
  const kinds = alternatives.filter((one) => !isReferenceHalf(one)).map((one) => (one.type === 'null' ? '`null`' : typeOf(one)));
  // 0 beside durations is a duration too.
  const plain = kinds.includes('duration') ? ['duration'] : kinds;
  return either([...plain, ...(halves > 0 ? ['reference'] : [])]);
}

function either(kinds: readonly string[]): string {
  return [kinds.slice(0, -1).join(', '), ...kinds.slice(-1)].filter((part) => part !== '').join(' or ');
}

function plural(kind: string): string {
  return kind === 'text' ? kind : kind.split(' or ').map((one) => `${one}s`).join(' or ');
}

/** Zod says of every whole number that it is a safe one. */
function rangeOf({ minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER) return ` from ${minimum} to ${maximum}`;
  if (exclusiveMinimum !== undefined) return ` above ${exclusiveMinimum}`;
  return minimum === undefined ? '' : ` from ${minimum}`;
}

/** As it is written in YAML; a mapping's keys show their own. */
function defaultOf({ default: value }: JsonSchema): string {
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) return '–';
  return code(value);
}

function code(value: unknown): string {
  return `\`${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}\``;
}

/** Nothing once everything is built. */
function mark(): string {
  return UNENFORCED.length + LATER.length + others().length > 0 ? '†' : '';
}

function marked(path: SchemaPath): string {
  return notesAt(path).length > 0 ? ' †' : '';
}

function later(): string[] {
  if (mark() === '') return [];
  const parts = ['## Not in this version', listed('A limit that would not be enforced is refused, because whoever states it relies on it:', UNENFORCED)];
  parts.push(listed('Everything else is accepted with a warning, which `spillway validate` prints and `/status` lists:', [...others(), ...LATER]));
  return parts.filter((part) => part !== '');
}

function listed(introduction: string, entries: readonly { readonly path: string; readonly message: string }[]): string {
  const places = new Map<string, string[]>();
  for (const { path, message } of entries) places.set(message, [...(places.get(message) ?? []), `\`${path.replaceAll(/(models|groups|apps)\.\*/g, '$1.NAME')}\``]);
  if (places.size === 0) return '';
  return `${introduction}\n\n${[...places].map(([message, paths]) => `- ${paths.join(', ')}: ${message}.`).join('\n')}`;
}
