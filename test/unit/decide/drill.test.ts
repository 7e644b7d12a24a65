import { expect, test } from '@jest/globals';
import { DRILL_NAMES, drillOf } from '../../../src/decide/drill.ts';
import { REASONS } from '../../../src/wire/reasons.ts';

test.each(['rate_limited', 'timeout', 'server_error', 'context_window', 'content_policy'])('%s is that reason, before anything is sent', (name) => {
  expect(drillOf(name, true)).toEqual({ reason: name, cut: false });
  expect(REASONS).toContain(name);
});

test('cut-stream is a connection that breaks midway', () => expect(drillOf(' cut-stream ', true)).toEqual({ reason: 'connection', cut: true }));

test('nothing is asked for', () => {
  for (const header of [undefined, '', ' ']) expect(drillOf(header, true)).toBeUndefined();
});

test('an unknown one is told, where drills are on; where they are off none means anything', () => {
  for (const header of ['Timeout', 'cut_stream', 'constructor', 'timeout, timeout']) {
    expect(drillOf(header, true)).toBe('unknown');
    expect(drillOf(header, false)).toBeUndefined();
  }
  expect(drillOf('timeout', false)).toBeUndefined();
  expect(DRILL_NAMES).toBe('rate_limited, timeout, server_error, context_window, content_policy, cut-stream');
});
