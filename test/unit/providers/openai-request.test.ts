import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';

const read = openAiRequestReader('chat');
const known = 'a, b';

describe('bodyFor', () => {
  const options = fc.option(fc.dictionary(fc.constantFrom('include_usage', 'include_obfuscation', 'x'), fc.oneof(fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 1 }))), { nil: null });
  const request = fc.record(
    { messages: fc.jsonValue(), model: fc.string({ minLength: 1 }), stream: fc.oneof(fc.boolean(), fc.constant(null)), stream_options: fc.oneof(options, fc.constant('x')), n: fc.oneof(fc.nat(), fc.jsonValue()), extra: fc.jsonValue() },
    { requiredKeys: ['model'] },
  );
  const upstream = fc.record({ model: fc.string(), includeUsage: fc.boolean() });

  test('is the same object with another model, and the usage asked for where it may be', () => {
    let asked = 0;
    fc.assert(
      fc.property(request, fc.dictionary(fc.string(), fc.jsonValue()), fc.shuffledSubarray(['a', 'b', 'c']), fc.nat(3), upstream, (given, more, _, indent, { model, includeUsage }) => {
        const own = JSON.parse(JSON.stringify({ ...more, ...given })) as Record<string, unknown>;
        const sent = JSON.parse(read(Buffer.from(JSON.stringify(own, null, indent)), known).bodyFor({ model, includeUsage }).toString()) as Record<string, unknown>;
        const expected: Record<string, unknown> = { ...own, model };
        const before = own['stream_options'];
        const isObject = before === undefined || before === null || (typeof before === 'object' && !Array.isArray(before));
        if (own['stream'] === true && includeUsage && isObject) {
          asked++;
          expected['stream_options'] = { ...(before as object | null | undefined), include_usage: true };
        }
        expect(sent).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
    expect(asked).toBeGreaterThan(20);
  });

  test('can be had for several upstreams, one after another', () => {
    const parsed = read(Buffer.from('{"model":"a","stream":true}'), known);
    const other = read(Buffer.from('{"stream":true,"stream_options":{},"model":"b"}'), known);
    expect(parsed.bodyFor({ model: 'x', includeUsage: false }).toString()).toBe('{"model":"x","stream":true}');
    expect(other.bodyFor({ model: 'y', includeUsage: true }).toString()).toBe('{"stream":true,"stream_options":{"include_usage":true},"model":"y"}');
    expect(parsed.bodyFor({ model: 'z', includeUsage: true }).toString()).toBe('{"stream_options":{"include_usage":true},"model":"z","stream":true}');
  });
});

describe('what is read', () => {
  test.each([
    ['{"model":"m"}', { stream: false, maxTokens: undefined, outputs: 1 }],
    ['{"model":"m","stream":true,"max_tokens":7,"n":3}', { stream: true, maxTokens: 7, outputs: 3 }],
    ['{"model":"m","max_tokens":7,"max_completion_tokens":9}', { maxTokens: 9 }],
    ['{"model":"m","max_tokens":null,"n":null,"stream":null}', { stream: false, maxTokens: undefined, outputs: 1 }],
    ['{"model":"m","max_tokens":1.5,"n":0}', { maxTokens: undefined, outputs: 1 }],
    ['{"model":"m","max_tokens":-4,"n":1e99}', { maxTokens: undefined, outputs: 1 }],
    ['{"model":"m","max_tokens":"7"}', { maxTokens: undefined }],
    ['{"model":"\\u006d\\n\\"","x":1}', { model: 'm\n"' }],
  ])('%s', (body, expected) => {
    expect(read(Buffer.from(body), known)).toMatchObject(expected);
  });

  test('base64 is weighed apart from text', () => {
    const image = 'A'.repeat(4000);
    const request = read(Buffer.from(JSON.stringify({ model: 'm', a: { url: image } })), known);
    expect(request.media).toEqual({ bytes: 4000, parts: 1 });
    expect(request.textBytes).toBeLessThan(40);
  });

  test.each([
    ['[]', 'invalid_json'], ['{"model":"a"', 'invalid_json'], ['{}', 'missing_model'], ['{"model":1}', 'invalid_model'], ['{"model":"a","n":1,"n":2}', 'duplicate_member'], ['{"model":"a","stream":true,"stream":false}', 'duplicate_member'],
  ])('%s is refused', (body, code) => {
    expect(() => read(Buffer.from(body), known)).toThrow(expect.objectContaining({ code }));
  });
});
