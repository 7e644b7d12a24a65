import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { eventData, eventName, SseSplitter } from '../../src/wire/sse.ts';

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
          splitter.push(bytes.subarray(at, at + cut), (e, isOneLine) => {
            found.push(e.toString());
            // Known to have one line, it is read without a search, and read the same.
            expect(isOneLine).toBe(e.toString().trimEnd().split('\n').length === 1);
            expect(eventData(e, isOneLine)).toEqual(eventData(e));
          });
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
  ['event: a\nid: b\nretry: 1\n: spillway {"c"}\ntrace: 1\n\n', undefined],
])('eventData(%j)', (text, data) => {
  expect(eventData(Buffer.from(text))?.toString()).toBe(data);
});

test.each([['{"a":1}\n\n'], ['event: "a"}\n\n'], [': pidata: {"a":1}\n\n'], [': {"a":1}\n\n'], [':1,"a":1}\n\n'], [':data: {"a":1}\n\n'], ['ata: {"a":1}\n\n'], ['data: {"a":1}\nXdata: {"b":2}\n\n'], ['data: {"a":\r\n"b"}\r\n\r\n']])(
  'eventData(%j): text in a line that clients pass over',
  (text) => expect(eventData(Buffer.from(text))).toBeNull(),
);

test.each([['event: ping\n\n', 'ping'], ['data: x\r\nevent:error\r\n\r\n', 'error'], ['data: event: x\n\n', ''], [': event: x\n\n', '']])('eventName(%j)', (text, name) => {
  expect(eventName(Buffer.from(text))).toBe(name);
});
