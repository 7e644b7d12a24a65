import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { INSTRUCTION } from '../../../src/providers/openai/continue.ts';
import { mayGrow, overlap } from '../../../src/providers/openai/overlap.ts';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';
import type { ContinueBy, SoFar } from '../../../src/providers/types.ts';

const soFar = (text: string, tokens = 3): SoFar => ({ text, tokens, textTokens: tokens, input: undefined, identity: {} });
const read = (body: string, operation: 'chat' | 'completions' = 'chat') => openAiRequestReader(operation)(Buffer.from(body), '');
const upstream = { model: 'up', includeUsage: false };
const sent = (body: string, text: string, by: ContinueBy, operation: 'chat' | 'completions' = 'chat', tokens = 3): string =>
  read(body, operation).continued(soFar(text, tokens), by).bodyFor(upstream).toString();
const ask = JSON.stringify({ role: 'user', content: INSTRUCTION });

describe('the request for the next model', () => {
  test.each([
    ['prefill', '{"model":"m", "messages" : [ {"role":"user","content":"hi"} ] ,"stream":true}', '{"model":"up", "messages" : [ {"role":"user","content":"hi"} ,{"role":"assistant","content":"He \\"said\\"\\n日👍"}] ,"stream":true}'],
    ['prefill', '{"stream":true,"messages":[],"model":"m"}', '{"stream":true,"messages":[{"role":"assistant","content":"He \\"said\\"\\n日👍"}],"model":"up"}'],
    ['instruction', '{"model":"m","messages":[{"role":"user","content":"hi"}]}', `{"model":"up","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"He \\"said\\"\\n日👍"},${ask}]}`],
    ['prefill', '{"model":"m","messages":[1.50,{"role":"user"}],"max_tokens":10,"max_completion_tokens": 4}', '{"model":"up","messages":[1.50,{"role":"user"},{"role":"assistant","content":"He \\"said\\"\\n日👍"}],"max_tokens":7,"max_completion_tokens": 1}'],
    ['prefill', '{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Well: "}]}', '{"model":"up","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Well: He \\"said\\"\\n日👍"}]}'],
    ['instruction', '{"model":"m","messages":[{"role":"assistant","content":"Well: ","name":"x"}]}', `{"model":"up","messages":[{"role":"assistant","content":"Well: He \\"said\\"\\n日👍","name":"x"},${ask}]}`],
    ['prefill', '{"model":"m","messages":[{"role":"assistant","content":null}]}', '{"model":"up","messages":[{"role":"assistant","content":null},{"role":"assistant","content":"He \\"said\\"\\n日👍"}]}'],
  ] as const)('by %s: %s', (by, body, expected) => {
    expect(sent(body, 'He "said"\n日👍', by)).toBe(expected);
  });

  test('half a letter is not lost', () => {
    expect(sent('{"model":"m","messages":[]}', 'a\ud83d', 'prefill')).toBe('{"model":"up","messages":[{"role":"assistant","content":"a\\ud83d"}]}');
  });

  test.each(['prefill', 'instruction'] as const)('without a text it is the same request, with fewer tokens (%s)', (by) => {
    expect(sent('{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":5}', '', by)).toBe('{"model":"up","messages":[{"role":"user","content":"hi"}],"max_tokens":2}');
  });

  test.each(['prefill', 'instruction'] as const)("a completion's prompt goes on (%s)", (by) => {
    expect(sent('{"model":"m","prompt":"Once \\u0041","max_tokens":16}', ' time\n"', by, 'completions')).toBe('{"model":"up","prompt":"Once \\u0041 time\\n\\"","max_tokens":13}');
  });

  test('what is reserved for it is what it is', () => {
    const first = read('{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":100,"stream":true}');
    const second = first.continued(soFar('x'.repeat(500), 40), 'prefill');
    expect(first.continues).toBe(false);
    expect(second).toMatchObject({ continues: true, model: 'm', operation: 'chat', stream: true, maxTokens: 60, outputs: 1 });
    expect(second.textBytes).toBe(first.textBytes - 1 + 500 + ',{"role":"assistant","content":""}'.length);
  });

  test('goes on from the first request, also the second time', () => {
    const first = read('{"model":"m","messages":[],"max_tokens":100}');
    const third = first.continued(soFar('a', 10), 'instruction').continued(soFar('ab', 30), 'prefill');
    expect(third.bodyFor(upstream).toString()).toBe('{"model":"up","messages":[{"role":"assistant","content":"ab"}],"max_tokens":70}');
  });

  test('property: the same object with one message more', () => {
    const message = fc.record({ role: fc.constantFrom('user', 'system'), content: fc.oneof(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 2 })) });
    const property = fc.property(fc.array(message), fc.string({ unit: 'binary', minLength: 1 }), fc.nat(3), fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 })), (messages, text, indent, more) => {
      const own = JSON.parse(JSON.stringify({ ...more, model: 'm', messages })) as { messages: unknown[] };
      const body = JSON.stringify(own, null, indent);
      expect(JSON.parse(sent(body, text, 'prefill'))).toEqual({ ...own, model: 'up', messages: [...own.messages, { role: 'assistant', content: text }] });
    });
    fc.assert(property, { numRuns: 300 });
  });
});

describe('words over again', () => {
  test.each([
    ['over the lazy', 'the lazy dog', 8],
    ['over the lazy', 'lazy dog', 4],
    ['the quick bro', 'brown', 3],
    ['Привет, ми', 'мир', 0],
    ['Привет, мир', 'мир!', 3],
    ['a sentence. Then a second one. ', 'Then a second one. And more', 19],
    ['He said it.', 'He said it. Then', 0],
    ['And he said it all.', 'And he said it all. Then', 19],
    // A text that repeats itself, and chance.
    ['ha', 'ha', 0],
    ['very ', 'very good', 0],
    ['New York, ', 'New York, USA', 0],
    ['  }\n', '  }\n}', 0],
    ['0, 0, 0, 0, 0, 0, 0, 0, ', '0, 0, 0, 0, 0, 0, 0, 0, 1', 0],
    ['a long refrain here; a long refrain here; ', 'a long refrain here; end', 0],
    ['1000', '000', 0],
    ['concat', 'cat', 0],
    ['', 'The', 0],
    ['The end', '', 0],
    ['The end', ' of it', 0],
  ])('%j, then %j: %i letters', (text, begin, length) => {
    expect(overlap(text, begin)).toBe(length);
  });

  test('what stands a letter too late is none, and no more than 200 are looked for', () => {
    const text = Array.from({ length: 60 }, (_, i) => `${String.fromCodePoint(97 + (i % 26))}${i} `).join('');
    expect(overlap(text, text.slice(-200))).toBe(200);
    expect(overlap(text, text.slice(-150))).toBe(150);
    expect(overlap(text, text.slice(-201))).toBe(0);
  });

  test('waits no longer than it could grow', () => {
    expect(mayGrow('over the lazy', 'the')).toBe(true);
    expect(mayGrow('over the lazy', 'the lazy')).toBe(false);
    expect(mayGrow('over the lazy', ' dog')).toBe(false);
    expect(mayGrow('over the lazy', '')).toBe(true);
    expect(mayGrow('', '')).toBe(false);
  });
});
