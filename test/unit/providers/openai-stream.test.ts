import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';
import type { SoFar } from '../../../src/providers/types.ts';
import { eventData, SseSplitter } from '../../../src/wire/sse.ts';
import { answer, chunkOf, FIRST, hear, kinds, sse } from '../upstream/feed.ts';

const request = (extra: object = {}, operation: 'chat' | 'completions' = 'chat') =>
  openAiRequestReader(operation)(Buffer.from(JSON.stringify({ model: 'm', messages: [], stream: true, ...extra })), '');
const say = (content: string): string => sse(chunkOf(FIRST, { content }));
const FINISH = sse(chunkOf(FIRST, {}, 'stop'));

describe('which events finish a choice or say nothing is seen in any way of writing', () => {
  const written = (finish: string, delta = '{"content":"b"}'): string => sse(`{"choices":[{"index":0,"delta":${delta},"finish_reason"${finish}}]}`);

  test.each([[':null', false], [' : null ', false], [':"stop"', true], [': "length"', true], [':null,"finish_reason":"stop"', true]])('"finish_reason"%s', (finish, complete) => {
    const reader = request().streamReader();
    reader.read(Buffer.from(say('a')));
    expect(reader.read(Buffer.from(written(finish)))).toBe('content');
    expect(reader.complete).toBe(complete);
  });

  test('a text that speaks of it finishes nothing', () => {
    const reader = request().streamReader();
    for (const text of ['a', '"finish_reason"', '"finish_reason":"stop"']) reader.read(Buffer.from(say(text)));
    expect(reader.complete).toBe(false);
  });

  test('an event without text in the middle is not counted', () => {
    const reader = request().streamReader();
    for (const delta of ['{"content":"a"}', '{"content":"b"}', '{}', '{"content":""}', '{"content":"c"}']) reader.read(Buffer.from(written(':null', delta)));
    expect(reader.counted).toBe(3);
  });
});

describe('a damaged event', () => {
  test.each([
    ['data\n\n'], ['data:\n\n'], ['data: \r\n\r\n'], ['data:  \ndata: \n\n'], ['data: ping\n\n'], ['data: [PING]\n\n'], ['data: "keep-alive"\n\n'],
    ['data: null\n\n'], ['event: ping\n\n'], ['event: ping\ndata: now\n\n'], ['event: keep-alive\r\ndata: 1\r\n\r\n'], ['event: message\n\n'],
  ])('nothing of an answer can stand in it: %j is left out', async (event) => {
    const reader = request().streamReader();
    expect([say('a'), event, say('b'), FINISH].map((one) => reader.read(Buffer.from(one)))).toEqual(['content', 'omit', 'content', 'content']);
    expect(reader.leftOut).toBe(1);
    // The official client throws on it, or gives the app something that is no event of an answer.
    const heard = await hear(say('a') + event + say('b'));
    expect(heard.error !== undefined || heard.chunks[1]?.choices === undefined).toBe(true);
  });

  test.each([
    ['cut off within the text', 'data: {"choices":[{"index":0,"delta":{"content":"He\n\n'],
    ['cut off before any text', 'data: {"id":"x"\n\n'],
    ['whole braces, but no JSON', 'data: {"id":"x",}\n\n'],
    ['a wrong byte', `${say('a').replace('"choices"', '"choices" x')}`],
    ['a word', 'data: Hello\n\n'], ['a text', 'data: "Hello"\n\n'], ['a number', 'data: 7\n\n'], ['a list', 'data: [{"delta":{"content":"a"}}]\n\n'],
    ['JSON in two lines of which one has no field', 'data: {"choices":[{"index":0,"delta":{"content":"a\nb"}}]}\n\n'],
    ['no field at all', '{"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'],
    ['another event glued to it', `${say('a').trimEnd()}\nX${say('b')}`],
    ['two events without an end between', `${say('a').trimEnd()}\n${say('b')}`],
    ['an error that says no more', 'event: error\n\n'],
    ['choices that are none', 'data: {"choices":["a"]}\n\n'],
    ['the end mark with something behind it', 'data: [DONE] {"a\n\n'],
  ])('%s: the stream is broken', (_, event) => {
    expect(kinds(request(), [event])).toEqual(['malformed']);
  });

  test('behind the finish there is no text: left out, and the usage still counts', () => {
    const reader = request({ stream_options: { include_usage: true } }).streamReader();
    const usage = sse('{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}');
    const events = [say('a'), FINISH, 'data: {"cho\n\n', '{"a"}\n\n', usage, 'data: [DONE]\n\n'];
    expect(events.map((one) => reader.read(Buffer.from(one)))).toEqual(['content', 'content', 'omit', 'omit', 'pass', 'end']);
    expect(reader).toMatchObject({ leftOut: 2, complete: true, usage: { input: 3, output: 2 } });
  });

  test('of two choices one is finished: the text of the other may have stood in it', () => {
    expect(kinds(request({ n: 2 }), [say('a'), FINISH, 'data: {"cho\n\n'])).toEqual(['content', 'content', 'malformed']);
  });

  /** Letters that stand in no name of the dialect. */
  const letters = fc.string({ unit: fc.constantFrom(...'QZXJ日👍'), minLength: 1, maxLength: 12 });
  const place = fc.integer({ min: 0, max: 1000 });
  /** Without comments: one that has lost its end and runs into the next event still is a comment. */
  const quiet = fc.constantFrom('', 'data:\n\n', 'event: ping\n\n', 'data: ping\n\n');
  const damage = fc.oneof(
    fc.record({ at: place, length: fc.nat(400), put: fc.constant('') }),
    fc.record({ at: place, length: fc.nat(1), put: fc.constantFrom('\n', '\n\n', '\r\n', '"', '\\', '{', '}', ' ', ':', 'x', '\u0000') }),
  );

  test('never takes a letter with it: what is left out held none, and the client can read the rest', async () => {
    let leftOut = 0;
    let broken = 0;
    const property = fc.asyncProperty(fc.array(letters, { minLength: 1, maxLength: 5 }), quiet, damage, async (texts, quiet, { at, length, put }) => {
      const bytes = Buffer.from([say('a'), ...texts.map((text) => say(text) + quiet), FINISH].join(''));
      const from = say('a').length + Math.floor((at * (bytes.length - say('a').length - FINISH.length)) / 1000);
      const hurt = Buffer.concat([bytes.subarray(0, from), Buffer.from(put), bytes.subarray(Math.min(bytes.length - FINISH.length, from + length))]);
      const reader = request().streamReader();
      const given: Buffer[] = [];
      let isBroken = false;
      new SseSplitter().push(hurt, (event) => {
        if (isBroken) return;
        const kind = reader.read(event);
        if (kind === 'malformed' || kind === 'error') isBroken = true;
        else {
          // Neither left out nor passed by as if it were no event.
          if (kind === 'omit' || eventData(event) === undefined) expect(event.toString()).not.toMatch(/[QZXJ日👍]/u);
          if (kind !== 'omit') given.push(event);
        }
      });
      leftOut += reader.leftOut;
      if (isBroken) broken++;
      else expect((await hear(Buffer.concat(given))).error).toBeUndefined();
    });
    await fc.assert(property, { numRuns: 3000 });
    expect(broken).toBeGreaterThan(500);
    expect(leftOut).toBeGreaterThan(500);
  });
});

describe('errors in a stream', () => {
  test.each([
    ['an object', 'data: {"error":{"message":"x","code":"rate_limit_exceeded"}}\n\n', 'rate_limited'],
    ['in a list', 'data: [{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]\n\n', 'rate_limited'],
    ["by the event's name", 'event: error\ndata: {"message":"x"}\n\n', 'server_error'],
    ['by the kind of object', 'data: {"object":"error","message":"x","code":503}\n\n', 'overloaded'],
  ])('%s', (_, event, reason) => {
    const reader = request().streamReader();
    expect(reader.read(Buffer.from(event))).toBe('error');
    expect(reader.failure).toMatchObject({ reason });
  });
});

describe('the text so far', () => {
  const soFar = (events: readonly string[], extra: object = {}, operation: 'chat' | 'completions' = 'chat'): SoFar | undefined => {
    const reader = request(extra, operation).streamReader(true);
    for (const event of events) reader.read(Buffer.from(event));
    return reader.soFar;
  };
  const whole = answer(FIRST, ['Hel', 'lo', ' wörld 👍']);

  test('with what another model needs to go on', () => {
    expect(soFar(whole.slice(0, 4))).toEqual({ text: 'Hello wörld 👍', tokens: expect.any(Number), textTokens: expect.any(Number), input: undefined, identity: { id: '"first-1"', model: '"one"', created: '1' } });
    expect(soFar(whole.slice(0, 3))).toMatchObject({ text: 'Hello', tokens: 3, textTokens: 3 });
    expect(soFar(whole.slice(0, 1))).toMatchObject({ text: '', tokens: 0 });
  });

  test('of a long answer', () => {
    const pieces = Array.from({ length: 1000 }, (_, i) => `${i} `);
    expect(soFar(answer(FIRST, pieces).slice(0, -2))!.text).toBe(pieces.join(''));
    const long = 'x'.repeat(300_000);
    expect(soFar(answer(FIRST, [long, long, long]).slice(0, -2))!.text).toHaveLength(900_000);
    expect(soFar(answer(FIRST, [long, long, long, long]).slice(0, -2))).toBeUndefined();
  });

  test('thoughts are no part of it, but of the tokens', () => {
    const thought = sse(chunkOf(FIRST, { reasoning_content: 'hm' }));
    const found = soFar([thought, thought, thought, say('a')])!;
    expect(found).toMatchObject({ text: 'a', textTokens: Math.ceil(found.tokens / 4) });
    expect(soFar([thought])).toMatchObject({ text: '', textTokens: 0 });
  });

  test('usage that comes with each event is believed', () => {
    const usage = { usage: { prompt_tokens: 9, completion_tokens: 5 } };
    expect(soFar([sse(chunkOf(FIRST, { content: 'a' }, null, usage))])).toMatchObject({ tokens: 5, input: 9 });
  });

  test("a completion's text stands elsewhere", () => {
    const event = sse('{"id":"c","choices":[{"index":0,"text":"ab","logprobs":null,"finish_reason":null}]}');
    expect(soFar([event, event], { prompt: 'x' }, 'completions')).toMatchObject({ text: 'abab', identity: { id: '"c"' } });
  });

  test.each([
    ['not asked for', {}, say('a'), false],
    ['arguments of a tool', {}, sse(chunkOf(FIRST, { tool_calls: [{ index: 0, function: { arguments: '{' } }] })), true],
    ['an argument of the old kind', {}, sse(chunkOf(FIRST, { function_call: { arguments: '{' } })), true],
    ['a refusal', {}, sse(chunkOf(FIRST, { refusal: 'no' })), true],
    ['sound', {}, sse(chunkOf(FIRST, { audio: { data: 'AA' } })), true],
    ['log probabilities', {}, say('a').replace('"finish', '"logprobs":{"content":[{"token":"a"}]},"finish'), true],
    ['log probabilities asked for', { logprobs: true }, say('a'), true],
    ['several choices asked for', { n: 2 }, say('a'), true],
    ['another choice', {}, say('a').replace('"index":0', '"index":1'), true],
    ['an answer in JSON', { response_format: { type: 'json_object' } }, say('a'), true],
    ['an answer by a schema', { response_format: { type: 'json_schema', json_schema: {} } }, say('a'), true],
    ['no list of messages', { messages: 'x' }, say('a'), true],
  ])('none: %s', (_, extra, event, keep) => {
    const reader = request(extra).streamReader(keep);
    for (const one of [say('b'), event, say('c')]) reader.read(Buffer.from(one));
    expect(reader.soFar).toBeUndefined();
  });

  test.each([[{ prompt: ['x'] }], [{ prompt: [1, 2] }], [{ prompt: 'x', echo: true }], [{ prompt: 'x', logprobs: 1 }], [{}]])('none for the completion of %j', (extra) => {
    expect(soFar([say('a')], extra, 'completions')).toBeUndefined();
  });
});
