/** The one schema as editors read it: the JSON schema that is published as spillway.schema.json. */
import * as z from 'zod/mini';
import { LATER, PROVIDERS, UNENFORCED } from './built.ts';
import { schema } from './schema.ts';
import { provider } from './schema/models.ts';

export interface JsonSchema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: JsonSchema;
  readonly additionalProperties?: JsonSchema | false;
  readonly minProperties?: number;
  readonly dependencies?: Readonly<Record<string, readonly string[]>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
}

/** Where a value stands in any file: `*` for a name of the user's own, `[]` for an item of a list. */
export type SchemaPath = readonly string[];

/**
 * What a file may hold, straight from the schema. Draft-07, because that is what every release of yaml-language-server reads
 * (later drafts only since 2026), and nothing here needs more. Everything stands where it is used: draft-07 ignores what
 * stands beside a $ref, and that would be the descriptions.
 */
export function inputSchema(): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-07', reused: 'inline' }) as JsonSchema;
}

export function publishedSchema(): JsonSchema {
  const { $schema, ...rest } = completed(inputSchema(), []);
  return {
    ...($schema !== undefined && { $schema }),
    // A name, not an address: nobody is to fetch it.
    $id: 'urn:spillway:configuration:1',
    title: 'Spillway configuration',
    description: 'Which models there are, what each may be asked, and which stands in for which.',
    ...rest,
  };
}

/** What this version does not do with the value there, in the words of `spillway validate`. */
export function notesAt(path: SchemaPath): readonly string[] {
  const here = path.join('.');
  return [
    ...[...UNENFORCED, ...LATER].filter((one) => matches(one.path, path)).map(({ message }) => message),
    ...others().filter((one) => one.path === here).map(({ message }) => message),
  ];
}

/** What validate warns of beside the tables in built.ts. */
export function others(): readonly { readonly path: string; readonly message: string }[] {
  const missing = z.toJSONSchema(provider).enum!.filter((name) => !PROVIDERS.includes(String(name)));
  return missing.length > 0 ? [{ path: 'models.*.provider', message: `models with provider ${missing.join(', ')} are skipped as untranslatable in this version` }] : [];
}

function matches(pattern: string, path: SchemaPath): boolean {
  const steps = pattern.split('.');
  return steps.length === path.length && steps.every((step, i) => step === '*' || step === path[i]);
}

/** Rules of src/config/checks that a JSON schema can say as well; an editor then shows them while typing. */
const RULES: Readonly<Record<string, (node: JsonSchema) => JsonSchema>> = {
  models: (node) => ({ ...notAuto(node), minProperties: 1 }),
  groups: notAuto,
  'models.*': (node) => ({ ...node, anyOf: [{ properties: { provider: { not: { const: 'azure' } } } }, { required: ['baseUrl'] }] }),
  'models.*.baseUrl': (node) => ({ ...node, pattern: String.raw`^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\/?#@]+(?:/[^\s\\?#]*)?$` }),
  redis: (node) => ({
    ...node,
    oneOf: ['url', 'host', 'sentinel', 'cluster'].map((way) => ({ required: [way] })),
    dependencies: { port: ['host'] },
  }),
};

function notAuto(node: JsonSchema): JsonSchema {
  return { ...node, propertyNames: { ...node.propertyNames, not: { const: 'auto' } } };
}

/**
 * With the rules and notes, and the description first, where a reader looks.
 * @param whole false for one alternative of a union, which has no notes of its own
 */
function completed(node: JsonSchema, path: SchemaPath, whole = true): JsonSchema {
  const rule = whole ? RULES[path.join('.')] : undefined;
  const { description, properties, additionalProperties, items, anyOf, ...rest } = rule ? rule(node) : node;
  const notes = whole ? notesAt(path).map((note) => `Note: ${note}.`) : [];
  const said = [description, ...notes].filter((text) => text !== undefined).join(' ');
  return {
    ...(said !== '' && { description: said }),
    ...rest,
    ...(anyOf && { anyOf: anyOf.map((one) => completed(one, path, false)) }),
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, completed(inner, [...path, key])])) }),
    ...(items && { items: completed(items, [...path, '[]']) }),
    ...(additionalProperties !== undefined && { additionalProperties: additionalProperties && completed(additionalProperties, [...path, '*']) }),
  };
}
