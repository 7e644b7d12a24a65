import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { JsonScanner, MAX_DEPTH } from '../../src/wire/json-scan.ts';

const NAMES = ['model', 'stream', 'usage'];

function valid(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function scanned(text: string): { ok: boolean; scanner: JsonScanner; bytes: Buffer } {
  const scanner = new JsonScanner(NAMES);
  const bytes = Buffer.from(text);
  return { ok: scanner.scan(bytes), scanner, bytes };
}

describe('JsonScanner', () => {
  test('takes what JSON.parse takes, and finds the same members', () => {
    const key = fc.oneof(fc.constantFrom(...NAMES, 'mod\\u0065l', 'm\\'), fc.string());
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue()), fc.nat(2), (object, indent) => {
        const { ok, scanner, bytes } = scanned(JSON.stringify(object, null, indent));
        expect(ok).toBe(true);
        for (const name of NAMES) {
          const span = scanner.span(name);
          const found: unknown = span && JSON.parse(bytes.subarray(span.start, span.end).toString());
          expect(found).toEqual(Object.hasOwn(object, name) ? JSON.parse(JSON.stringify(object[name])) : undefined);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('judges damaged JSON as JSON.parse does', () => {
    const damage = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.constantFrom('', '"', '\\', '{', ']', ',', ':', '0', '-', '.', 'e', ' ', '\n', '\u0001', 'x', 'null', '\\u00', '}') });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), damage, (object, { at, remove, insert }) => {
        const text = JSON.stringify(object);
        const cut = at % (text.length + 1);
        const damaged = text.slice(0, cut) + insert + text.slice(cut + remove);
        // Lone surrogates cannot be written as UTF-8; both sides then see U+FFFD.
        const bytes = Buffer.from(damaged).toString();
        expect(scanned(bytes).ok).toBe(valid(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  test.each(['', '[]', '1', '{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":1e}', '{"a":"\t"}', '{"a":"\\x"}', '{"a":1}x', '{"a":1,}', '{,}', '{"a"}', "{'a':1}", '{"a":nul}', '{"a":"x', '{"a":[1,]}', '{"a":[1}}', '\uFEFF{}'])('refuses %j', (text) => {
    const { ok, scanner } = scanned(text);
    expect(ok).toBe(false);
    expect(scanner.problem).not.toBe('');
  });

  test('an escaped member name is the same name, and the last of two counts', () => {
    const { ok, scanner, bytes } = scanned('{"model":"a","mod\\u0065l":"b"}');
    const span = scanner.span('model')!;
    expect(ok).toBe(true);
    expect(bytes.subarray(span.start, span.end).toString()).toBe('"b"');
    expect(scanner.duplicate()).toBe('model');
  });

  test('bounds nesting', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth)}0${']'.repeat(depth)}}`;
    expect(scanned(nested(MAX_DEPTH)).ok).toBe(true);
    const { ok, scanner } = scanned(nested(MAX_DEPTH + 1));
    expect(ok).toBe(false);
    expect(scanner.problem).toContain('nested');
  });

  test('weighs base64 data apart from text', () => {
    const image = Buffer.alloc(3000, 7).toString('base64');
    const { scanner } = scanned(JSON.stringify({ a: `data:image/png;base64,${image}`, b: { data: image }, c: 'lorem ipsum '.repeat(300) }));
    expect(scanner.media.parts).toBe(2);
    expect(scanner.media.bytes).toBe(2 * image.length + 'data:image/png;base64,'.length);
  });
});
