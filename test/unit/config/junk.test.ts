/** Whatever the file holds: an answer, never an exception, and every message with a place. */
import { expect, test } from '@jest/globals';
import { array, assert, constantFrom, integer, jsonValue, oneof, property, string, tuple } from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '../../../src/config/load.ts';

const valid = readFileSync(join(import.meta.dirname, '../../fixtures/config/reference.yaml'), 'utf8');
const manifest = `kind: ConfigMap\ndata:\n  spillway.yaml: |\n${valid.replace(/^/gm, '    ')}`;

function holds(text: string): void {
  const result = parseConfig(text, 'f');
  const lines = text.split('\n').length;
  for (const { line, column, message } of result.ok ? result.inactive : result.problems) {
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines + 1);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(message).not.toMatch(/undefined|Invalid input|\[object|\n/);
  }
  if (!result.ok) expect(result.problems.length).toBeGreaterThan(0);
}

const piece = oneof(
  constantFrom('models', 'groups', 'a', ':', ': ', '\n', '\n  ', '\n    ', '- ', '{', '}', '[', ']', ',', '|', '>', '&a ', '*a', '!!set ', '!x ', '"', "'", '#', '---\n', '...\n', '? ', '<<: ', '%YAML 1.2\n', '\t', '__proto__', 'kind: ConfigMap\n', 'data:\n', 'spillway.yaml: ', '1e999', 'null', '~', '0x1F', '2001-01-01'),
  string({ maxLength: 5, unit: 'binary' }),
);

test('junk', () => assert(property(array(piece, { maxLength: 40 }), (pieces) => holds(pieces.join(''))), { numRuns: 1500 }));

test('any value where a value stands', () => {
  const keys = constantFrom('version', 'models', 'groups', 'apps', 'tasks', 'policy', 'budgets', 'redis', 'drills', 'passthrough', 'telemetry', 'alerts', 'x');
  const inner = constantFrom('provider', 'models', 'limits', 'apiKey', 'fallback', 'policy', 'retry', 'url', 'paths', 'rules', 'webhook', 'default', 'hedge', 'headers', 'nodes', 'sentinel');
  assert(
    property(array(tuple(keys, inner, inner, jsonValue({ maxDepth: 3 })), { maxLength: 6 }), (entries) => {
      holds(JSON.stringify(Object.fromEntries(entries.map(([a, b, c, value]) => [a, { [b]: { [c]: value }, z: value }]))));
      holds(JSON.stringify(Object.fromEntries(entries.map(([a, b, , value]) => [a, { [b]: value }]))));
      holds(JSON.stringify(Object.fromEntries(entries.map(([a, , , value]) => [a, value]))));
    }),
    { numRuns: 500 },
  );
});

test('a valid file with anything cut out, put in or doubled', () => {
  const change = tuple(integer({ min: 0, max: valid.length }), integer({ min: 0, max: 40 }), piece);
  assert(
    property(constantFrom(valid, manifest), array(change, { minLength: 1, maxLength: 4 }), (base, changes) => {
      holds(changes.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), base));
    }),
    { numRuns: 500 },
  );
});
