/** What is published of the schema: the JSON schema for editors, the reference for readers, the examples. */
import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { generated } from '../../../scripts/generate.ts';
import { PROVIDERS } from '../../../src/config/built.ts';
import { notesAt, publishedSchema, type JsonSchema } from '../../../src/config/json-schema.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { looksLikeSecret } from '../../../src/config/looks-like-secret.ts';

const root = join(import.meta.dirname, '../../..');
const fixtures = join(root, 'test/fixtures/config');
const examples = join(root, 'docs/examples');
const yamls = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const schema = publishedSchema();

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Each keyword of draft-07 that is used, by its own words in the specification; any other is an error of the test. */
const KEYWORDS: Readonly<Record<string, (wanted: never, value: unknown, node: JsonSchema) => boolean>> = {
  type: (wanted: string, value) => (wanted === 'integer' ? Number.isInteger(value) : wanted === kindOf(value)),
  const: (wanted: unknown, value) => value === wanted,
  enum: (wanted: unknown[], value) => wanted.includes(value),
  pattern: (wanted: string, value) => typeof value !== 'string' || new RegExp(wanted, 'u').test(value),
  minLength: (wanted: number, value) => typeof value !== 'string' || value.length >= wanted,
  minimum: (wanted: number, value) => typeof value !== 'number' || value >= wanted,
  maximum: (wanted: number, value) => typeof value !== 'number' || value <= wanted,
  exclusiveMinimum: (wanted: number, value) => typeof value !== 'number' || value > wanted,
  minItems: (wanted: number, value) => !Array.isArray(value) || value.length >= wanted,
  items: (wanted: JsonSchema, value) => !Array.isArray(value) || value.every((one) => fits(wanted, one)),
  required: (wanted: string[], value) => !isMap(value) || wanted.every((key) => Object.hasOwn(value, key)),
  minProperties: (wanted: number, value) => !isMap(value) || Object.keys(value).length >= wanted,
  properties: (wanted: Record<string, JsonSchema>, value) => !isMap(value) || Object.entries(wanted).every(([key, inner]) => !Object.hasOwn(value, key) || fits(inner, value[key])),
  propertyNames: (wanted: JsonSchema, value) => !isMap(value) || Object.keys(value).every((key) => fits(wanted, key)),
  additionalProperties: (wanted: JsonSchema | false, value, { properties = {} }) =>
    !isMap(value) || Object.entries(value).every(([key, one]) => Object.hasOwn(properties, key) || (wanted !== false && fits(wanted, one))),
  dependencies: (wanted: Record<string, string[]>, value) =>
    !isMap(value) || Object.entries(wanted).every(([key, others]) => !Object.hasOwn(value, key) || others.every((other) => Object.hasOwn(value, other))),
  anyOf: (wanted: JsonSchema[], value) => wanted.some((one) => fits(one, value)),
  oneOf: (wanted: JsonSchema[], value) => wanted.filter((one) => fits(one, value)).length === 1,
  not: (wanted: JsonSchema, value) => !fits(wanted, value),
};
const SAYINGS = new Set(['$schema', '$id', 'title', 'description', 'default']);

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function fits(node: JsonSchema, value: unknown): boolean {
  return Object.entries(node).every(([keyword, wanted]) => {
    if (SAYINGS.has(keyword)) return true;
    const check = KEYWORDS[keyword];
    if (!check) throw new Error(`the schema uses ${keyword}, which this test does not know`);
    return check(wanted as never, value, node);
  });
}

/** What a file holds; undefined for what is no YAML. */
function written(text: string): unknown {
  try {
    return parse(text, { uniqueKeys: false, logLevel: 'error' });
  } catch {
    return undefined;
  }
}

const read = (name: string): unknown => written(readFileSync(join(fixtures, name), 'utf8'));

/** Wrong in ways that no JSON schema can say: names that must exist, what must agree, what this version does not do yet. */
const BEYOND = /there is no (?:model|group)|is a group, and the members|in a circle|need equal limits|looks like a secret|a password in the address|expected redis:|a header's name|is set by Spillway|cannot be set|not enforced in this version|needs a price|must have at most \d decimals|control character/;

describe('spillway.schema.json', () => {
  const good: string[] = [];
  const bad: string[] = [];
  for (const name of yamls(fixtures)) {
    const result = parseConfig(readFileSync(join(fixtures, name), 'utf8'), name);
    // A manifest around the configuration has a schema of its own.
    if (read(name) === undefined || name.includes('manifest')) continue;
    if (result.ok) good.push(name);
    else if (!result.problems.every(({ message }) => BEYOND.test(message))) bad.push(name);
  }

  test('has many files to be tried on', () => {
    expect(good).toContain('reference.yaml');
    expect(bad.length).toBeGreaterThan(60);
  });

  test.each(good)('accepts %s', (name) => expect(fits(schema, read(name))).toBe(true));
  test.each(bad)('refuses %s', (name) => expect(fits(schema, read(name))).toBe(false));

  test('has a description at every key, and says what this version does not do', () => {
    const without: string[] = [];
    const visit = (node: JsonSchema, path: string): void => {
      for (const [key, inner] of Object.entries(node.properties ?? {})) {
        if (!inner.description) without.push(`${path}.${key}`);
        visit(inner, path === '' ? key : `${path}.${key}`);
      }
      if (node.additionalProperties) visit(node.additionalProperties, `${path}.*`);
      if (node.items) visit(node.items, `${path}[]`);
      for (const one of node.anyOf ?? []) if (one.type !== undefined) visit(one, path);
    };
    visit(schema, '');
    expect(without).toEqual([]);
    const { provider } = (schema.properties!['models']!.additionalProperties as JsonSchema).properties!;
    if (!PROVIDERS.includes('bedrock')) expect(provider!.description).toContain('bedrock are skipped');
    const { hedge } = schema.properties!['policy']!.properties!;
    for (const note of notesAt(['policy', 'hedge'])) expect(hedge!.description).toContain(note);
  });

  test('is one that editors read: draft-07, with nothing to look up', () => {
    expect(schema.$schema).toBe('http://json-schema.org/draft-07/schema#');
    expect(JSON.stringify(schema)).not.toContain('"$ref"');
    expect(Object.keys(schema).slice(0, 4)).toEqual(['$schema', '$id', 'title', 'description']);
  });
});

describe('docs/configuration.md', () => {
  const text = generated().find(({ path }) => path === 'docs/configuration.md')!.text;

  test('has a section for each top key, in the schema’s order, and every key once', () => {
    const headings = [...text.matchAll(/^## `(\w+)`/gm)].map(([, key]) => key);
    expect(headings).toEqual(Object.keys(schema.properties!));
    for (const key of ['limits.requestsPerMinute', 'price.input', 'models[].weight', 'rules[].keywords', 'timeouts.firstToken', 'hedge.maxShare', 'sentinel.nodes', 'tls.ca']) {
      expect({ key, times: text.split(`| \`${key}\``).length - 1 }).toEqual({ key, times: 1 });
    }
    expect(text).toContain('| `timeouts.total` | duration | `600s` |');
  });

  test('has tables that no cell breaks', () => {
    for (const line of text.split('\n').filter((one) => one.startsWith('|'))) expect(line.split(/(?<!\\)\|/)).toHaveLength(6);
  });
});

test.each(generated().map(({ path }) => path))('%s is what npm run generate writes', (path) => {
  const committed = readFileSync(join(root, path), 'utf8');
  expect(committed === generated().find((one) => one.path === path)!.text).toBe(true);
});

describe('docs/examples', () => {
  test.each(yamls(examples))('%s is valid, does all it says in this version, and holds no secret', (name) => {
    const text = readFileSync(join(examples, name), 'utf8');
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../../spillway.schema.json');
    const result = parseConfig(text, name);
    expect(result.ok ? result.inactive : result.problems).toEqual([]);
    expect(fits(schema, written(text))).toBe(true);
    expect(looksLikeSecret(text)).toBe(false);
  });

  test('are the ones that the documentation counts on', () => expect(yamls(examples).toSorted()).toEqual(['dev-and-prod.yaml', 'minimal.yaml', 'redis-sentinel.yaml', 'several-fallbacks.yaml']));
});
