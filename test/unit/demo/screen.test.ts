import { describe, expect, test } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { openScreen } from '../../../src/commands/demo/screen.ts';
import { GROUPS } from '../../../src/commands/demo/scene.ts';
import type { Picture } from '../../../src/commands/demo/view.ts';

const picture = (at: number, sent = 0): Picture => ({
  at,
  durationMs: 75_000,
  figures: { models: new Map(), endings: [], degraded: false },
  groups: GROUPS,
  serving: () => undefined,
  client: { sent, answered: 0, failed: 0 },
  events: [],
});

function open(isTTY: boolean, env: Record<string, string> = { LANG: 'C.UTF-8' }) {
  const written: string[] = [];
  const terminal = Object.assign(new EventEmitter(), { isTTY, columns: 80, rows: 24 });
  const screen = openScreen(['hello'], (text) => void written.push(text), terminal, env);
  return { written, terminal, screen, all: () => written.join('') };
}

describe('without a terminal', () => {
  test('events come at once, the state every five seconds if it is new; nothing is an escape code', () => {
    const { screen, all } = open(false);
    screen.event({ at: 1000, text: 'something', tone: 'warn' });
    for (const at of [1000, 5000, 6000, 10_000, 15_000]) screen.show(picture(at, at < 15_000 ? 1 : 2));
    screen.close();
    expect(all()).toBe('hello\n0:01  something\n0:05  app 1 sent 0 answered 0 failed\n0:15  app 2 sent 0 answered 0 failed\n');
  });

  test('a dumb terminal is none', () => {
    const { all } = open(true, { TERM: 'dumb' });
    expect(all()).not.toContain('\x1b');
  });
});

describe('on a terminal', () => {
  test('hides the cursor, draws over the last picture and gives the cursor back', () => {
    const { screen, written, terminal } = open(true);
    screen.show(picture(0));
    screen.show(picture(1000));
    screen.close();
    const height = written[1]!.split('\n').length - 1;
    expect(written[0]).toBe('\x1b[?25lhello\n');
    expect(written[1]).toMatch(/^\r[^\r]*Spillway demo/);
    expect(written[2]!.startsWith(`\r\x1b[${height}A`)).toBe(true);
    expect(written.at(-1)).toBe('\x1b[?25h');
    expect(terminal.listenerCount('resize')).toBe(0);
  });

  test('a new size draws everything anew', () => {
    const { screen, written, terminal } = open(true);
    screen.show(picture(0));
    terminal.emit('resize');
    expect(written[2]).toBe('\x1b[2J\x1b[Hhello\n');
    expect(written[3]!.startsWith('\rSpillway') || written[3]!.startsWith('\r\x1b[1mSpillway')).toBe(true);
    screen.close();
  });

  test('NO_COLOR is heeded', () => {
    const { screen, all } = open(true, { NO_COLOR: '1' });
    screen.show(picture(0));
    screen.close();
    expect(all()).not.toContain('\x1b[1m');
  });
});
