/** Several models, one answer: what the app hears is the first text and what follows it, once and whole. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';
import type { ContinueBy } from '../../../src/providers/types.ts';
import type { StreamEnd } from '../../../src/upstream/types.ts';
import { answer, chunkOf, Feed, FIRST, hear, SECOND, sse, Taker } from './feed.ts';

const CUT = { reason: 'connection', divert: true } as const;
const request = (extra: object = {}) => openAiRequestReader('chat')(Buffer.from(JSON.stringify({ model: 'm', messages: [], stream: true, ...extra })), '');
const WITH_USAGE = { stream_options: { include_usage: true } };

/** One model's stream into the sink, as far as its bytes go. */
async function play(feed: Feed, sink: Taker, bytes: Buffer, sizes?: readonly number[]): Promise<StreamEnd> {
  const end = feed.stream.pipe(sink);
  feed.push(bytes, sizes);
  feed.stream.break(CUT);
  expect(feed.held.used).toBe(0);
  return end;
}

/** The first answer up to where it broke; then the second whole. */
async function joined(first: readonly string[], second: readonly string[], by: ContinueBy = 'prefill', extra: object = {}) {
  const sink = new Taker();
  const one = await play(new Feed(request(extra).streamReader(true)), sink, Buffer.from(first.join('')));
  const feed = new Feed(request(extra).continued(one.soFar!, by).streamReader(true));
  const two = await play(feed, sink, Buffer.from(second.join('')));
  return { one, two, feed, text: sink.text };
}

describe('bytes', () => {
  const first = answer(FIRST, ['The quick', ' brown']).slice(0, 3);

  test('the second stream takes the place of the first: its identity, no second role, one end mark', async () => {
    const second = answer(SECOND, [' fox', ' jumps'], undefined, '\r\n');
    const { one, two, text } = await joined(first, second);
    const voice = { ...SECOND, ...FIRST };
    expect(text).toBe([...first, ...answer(voice, [' fox', ' jumps'], undefined, '\r\n').slice(1)].join(''));
    expect(one).toMatchObject({ whole: false, failure: CUT, soFar: { text: 'The quick brown' } });
    expect(two).toMatchObject({ whole: true, failure: undefined, soFar: undefined });
  });

  test('all else stays as it came', async () => {
    const odd = 'event: x\ndata:  { "model" : "two","choices":[ {"index":0,"delta":{"content":"\\u0020f👍"}, "x":1.50} ],"id":null , "y":"created" }\nid: 7\n\n';
    const { text } = await joined(first, [': ping\n\n', odd]);
    expect(text).toBe(`${first.join('')}: ping\n\n${odd.replace('"two"', '"one"').replace('"id":null', '"id":"first-1"')}`);
  });

  test('JSON in several lines comes in one', async () => {
    const lines = 'data: {"id":"b",\ndata: "choices":[{"index":0,"delta":{"content":" fox"}}]}\n\n';
    const { text } = await joined(first, [lines]);
    expect(text).toBe(`${first.join('')}data: {"id":"first-1", "choices":[{"index":0,"delta":{"content":" fox"}}]}\n\n`);
  });

  test('words over again are left out, in as many events as they came', async () => {
    const second = answer(SECOND, ['quick', ' bro', 'wn fox', ' jumps']);
    const { text, two } = await joined(first, second);
    expect(text).toBe([...first, ...answer({ ...FIRST }, [' fox', ' jumps']).slice(1)].join(''));
    expect((await hear(text)).text).toBe('The quick brown fox jumps');
    expect(two.soFar).toBeUndefined();
  });

  test('nothing but words over again: its finish is the finish', async () => {
    const { text, two } = await joined(first, [sse(chunkOf(SECOND, { content: 'quick brown' }, 'stop')), 'data: [DONE]\n\n']);
    expect(text).toBe(`${first.join('')}${sse(chunkOf(FIRST, { content: '' }, 'stop'))}data: [DONE]\n\n`);
    expect(two.whole).toBe(true);
  });

  test('a tool call stands as it came, and nobody can go on behind it', async () => {
    const call = chunkOf(SECOND, { tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: '' } }] });
    const { text, two } = await joined(first, [sse(chunkOf(SECOND, { content: 'brown' })), sse(call)]);
    expect((await hear(text)).chunks.at(-1)).toEqual(JSON.parse(chunkOf(FIRST, { tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: '' } }] })));
    expect(two).toMatchObject({ whole: false, soFar: undefined });
  });

  test('thoughts come at once', async () => {
    const thought = chunkOf(SECOND, { reasoning_content: 'hm' });
    const { text } = await joined(first, [sse(thought)]);
    expect(text).toBe(first.join('') + sse(chunkOf(FIRST, { reasoning_content: 'hm' })));
  });

  test('the end mark is left out: it is supplied, once', async () => {
    const { text } = await joined(first, answer(SECOND, [' fox']).slice(0, -1));
    expect(text.split('[DONE]')).toHaveLength(2);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  test('one that breaks before its words are clear has added nothing: the next goes on from the same place', async () => {
    const { two, text, feed } = await joined(first, [sse(chunkOf(SECOND, { content: 'quick' }))]);
    expect(text).toBe(first.join(''));
    expect(feed.did).toEqual(['content', 'due']);
    expect(two).toMatchObject({ whole: false, soFar: { text: 'The quick brown' } });
  });

  test('a completion, too', async () => {
    const body = Buffer.from('{"model":"m","prompt":"Once","stream":true}');
    const asked = openAiRequestReader('completions')(body, '');
    const event = (text: string, finish: string | null = null, id = 'cmpl-1'): string => sse(JSON.stringify({ id, choices: [{ text, index: 0, logprobs: null, finish_reason: finish }] }));
    const sink = new Taker();
    const one = await play(new Feed(asked.streamReader(true)), sink, Buffer.from(event(' upon') + event(' a time')));
    await play(new Feed(asked.continued(one.soFar!, 'prefill').streamReader(true)), sink, Buffer.from(event('time there', null, 'cmpl-2') + event('', 'stop', 'cmpl-2')));
    expect(sink.text).toBe(`${event(' upon')}${event(' a time')}${event(' there')}${event('', 'stop')}data: [DONE]\n\n`);
  });
});

describe('usage', () => {
  const first = answer(FIRST, ['a', 'b', 'c']).slice(0, 4);
  const reported = { prompt_tokens: 120, completion_tokens: 7, total_tokens: 127, prompt_tokens_details: { cached_tokens: 119, audio_tokens: 0 }, x: 1 };

  test('one total for the app, and of each call its own for its budget', async () => {
    const { one, two, text } = await joined(first, answer(SECOND, ['d'], reported), 'prefill', WITH_USAGE);
    const usages = (await hear(text)).chunks.flatMap((chunk) => chunk.usage ?? []);
    // Without the three tokens so far and their frame.
    expect(usages).toEqual([{ prompt_tokens: 113, completion_tokens: 10, total_tokens: 123, prompt_tokens_details: { cached_tokens: 113, audio_tokens: 0 }, x: 1 }]);
    expect(one).toMatchObject({ usage: undefined, counted: 3 });
    expect(two).toMatchObject({ usage: { input: 120, output: 7 }, counted: 1 });
  });

  test('the first model said what it read', async () => {
    const head = sse(chunkOf(FIRST, { content: 'a' }, null, { usage: { prompt_tokens: 50, completion_tokens: 4 } }));
    const { text } = await joined([head], answer(SECOND, ['d'], reported), 'instruction', WITH_USAGE);
    expect((await hear(text)).chunks.at(-1)!.usage).toMatchObject({ prompt_tokens: 50, completion_tokens: 11, total_tokens: 61 });
  });

  test('none that the app did not ask for', async () => {
    const { text, two } = await joined(first, answer(SECOND, ['d'], reported));
    expect(text).not.toContain('usage');
    expect(two.usage).toMatchObject({ output: 7 });
  });
});

describe('property: cut anywhere, in any chunks, as often as it happens', () => {
  /** Words without a letter twice: what is said again is said again, not a text that repeats itself. */
  const word = fc.shuffledSubarray([...'abcdefghijklmnopqrstuvwxyzäöü'], { minLength: 2, maxLength: 9 }).map((letters) => letters.join(''));
  const wordOrSign = fc.oneof({ weight: 6, arbitrary: word }, { weight: 1, arbitrary: fc.constantFrom('日本', '👍🏽', '\n\n', '"', '\\', '\u2028') });
  const text = fc.uniqueArray(wordOrSign, { minLength: 3, maxLength: 40 }).map((words) => words.join(' '));
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 });
  const part = fc.record({ cut: fc.integer({ min: 0, max: 1000 }), steps: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }), sizes, crlf: fc.boolean(), repeats: fc.nat(4) });

  test('the app hears the whole text', async () => {
    let joints = 0;
    let repeated = 0;
    const property = fc.asyncProperty(text, fc.array(part, { minLength: 2, maxLength: 5 }), fc.boolean(), async (whole, parts, withUsage) => {
      const asked = request(withUsage ? WITH_USAGE : {});
      const sink = new Taker();
      let end: StreamEnd | undefined;
      let outputs = 0;
      for (const [i, { cut, steps, sizes, crlf, repeats }] of parts.entries()) {
        const isLast = i === parts.length - 1;
        const done = end?.soFar?.text ?? '';
        const again = end === undefined ? '' : repetition(done, repeats);
        if (again !== '') repeated++;
        const pieces = cutUp(again + whole.slice(done.length), steps);
        const used = { prompt_tokens: 1000, completion_tokens: pieces.length, total_tokens: 1000 + pieces.length };
        const events = answer(i === 0 ? FIRST : { ...SECOND, id: `n-${i}` }, pieces, used, crlf ? '\r\n' : '\n');
        // Until the finish it can break anywhere: within an event, a line end, a letter.
        const body = Buffer.from(events.join(''));
        const longest = Buffer.byteLength(events.slice(0, -3).join(''));
        const bytes = isLast ? body : body.subarray(0, Math.floor((cut * longest) / 1000));
        const reader = end === undefined ? asked.streamReader(true) : asked.continued(end.soFar!, 'prefill').streamReader(true);
        const feed = new Feed(reader);
        const next = await play(feed, sink, bytes, sizes);
        // Nothing came: the same request goes to the next model.
        if (!feed.did.includes('content') && !isLast) {
          if (end === undefined) return;
          continue;
        }
        if (end !== undefined) joints++;
        end = next;
        outputs += end.usage?.output ?? end.counted;
        if (end.whole) break;
        expect(end.soFar!.text).toBe(whole.slice(0, end.soFar!.text.length));
        expect((await hear(sink.text)).text).toBe(end.soFar!.text);
      }
      const heard = await hear(sink.text);
      expect(heard.error).toBeUndefined();
      expect(heard.text).toBe(whole);
      expect(end!.whole).toBe(true);
      expect(new Set(heard.chunks.map(({ id, model, created }) => `${id} ${model} ${created}`)).size).toBe(1);
      expect(heard.chunks.filter((chunk) => chunk.choices[0]?.finish_reason === 'stop')).toHaveLength(1);
      expect(heard.chunks.filter((chunk) => chunk.choices[0]?.delta.role !== undefined)).toHaveLength(1);
      expect(sink.text.split('[DONE]')).toHaveLength(2);
      const totals = heard.chunks.flatMap((chunk) => chunk.usage ?? []);
      expect(totals.map((total) => total.completion_tokens)).toEqual(withUsage ? [outputs] : []);
    });
    await fc.assert(property, { numRuns: 1500 });
    expect(joints).toBeGreaterThan(1000);
    expect(repeated).toBeGreaterThan(300);
  });

  /** The last words so far, if they are enough to be known again. */
  function repetition(done: string, words: number): string {
    if (words === 0) return '';
    const again = done.split(' ').slice(-words).join(' ');
    const isSure = again.length >= 16 || /^[a-zäöü]([a-zäöü \u2028"\\\n]*[a-zäöü])?$/.test(again);
    return again !== '' && again.length >= 3 && isSure && !/^\s|[\ud800-\udbff]$/.test(again) ? again : '';
  }

  /** In units of UTF-16, so that a sign may stand half in one event and half in the next. */
  function cutUp(text: string, steps: readonly number[]): string[] {
    const pieces: string[] = [];
    for (let at = 0, i = 0; at < text.length; i++) {
      const step = steps[i % steps.length]!;
      pieces.push(text.slice(at, at + step));
      at += step;
    }
    return pieces;
  }
});
