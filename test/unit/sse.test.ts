import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { eventData, SseSplitter } from '../../src/wire/sse.ts';

const line = fc.oneof(fc.constantFrom('data: x', 'data:{"ä":"日本"}', 'data', ': ping', 'event: delta', 'id: 1'), fc.string().map((s) => `data: ${s.replace(/[\r\n]/g, '')}`));
const event = fc.tuple(fc.array(line, { minLength: 1, maxLength: 3 }), fc.constantFrom('\n', '\r\n')).map(([lines, end]) => lines.map((l) => l + end).join('') + end);

describe('SseSplitter', () => {
  test('gives every event whole, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(event), fc.array(fc.nat(200)), fc.string().map((s) => s.replace(/\n/g, '')), (events, cuts, tail) => {
        const bytes = Buffer.from(events.join('') + tail);
        const splitter = new SseSplitter();
        const found: string[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          splitter.push(bytes.subarray(at, at + cut), (e) => found.push(e.toString()));
          at = Math.min(bytes.length, at + cut);
        }
        expect(found).toEqual(events);
        expect(splitter.carried).toBe(Buffer.byteLength(tail));
      }),
    );
  });

  test('does not copy an event that one chunk holds', () => {
    const chunk = Buffer.from('data: a\n\ndata: b\n\n');
    new SseSplitter().push(chunk, (e) => expect(e.buffer).toBe(chunk.buffer));
    expect.assertions(2);
  });
});

test.each([
  ['data: a\n\n', 'a'],
  ['data:a\r\n\r\n', 'a'],
  ['event: x\ndata:  a\n\n', ' a'],
  ['data: a\ndata: b\n\n', 'a\nb'],
  ['data\n\n', ''],
  [': ping\n\n', undefined],
  ['database: x\n\n', undefined],
])('eventData(%j)', (text, data) => {
  expect(eventData(Buffer.from(text))?.toString()).toBe(data);
});
