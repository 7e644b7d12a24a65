import { describe, expect, test } from '@jest/globals';
import type { Figures } from '../../../src/commands/demo/figures.ts';
import { GROUPS } from '../../../src/commands/demo/scene.ts';
import { clockText, fit, paint, plain } from '../../../src/commands/demo/text.ts';
import { ASCII, frame, statusText, type Picture } from '../../../src/commands/demo/view.ts';

const use = (used: number, limit: number) => ({ used, limit });
const figures = (calls: number[] = [8]): Figures => ({
  models: new Map([
    ['dev-claude', { requests: use(8, 10), tokens: use(9256, 10_000), answered: 8, calls }],
    ['prod-claude', { requests: use(10, 10), tokens: use(1068, 10_000), answered: 6, calls }],
    ['bed-claude-4.5-haiku', { requests: use(1200, 1800), tokens: use(0, 3_600_000), answered: 1200, calls }],
  ]),
  endings: [],
  degraded: false,
});
const picture = (changes: Partial<Picture> = {}): Picture => ({
  at: 13_400,
  durationMs: 75_000,
  figures: figures(),
  groups: GROUPS,
  serving: (group) => (group === GROUPS[0]!.name ? { model: 'bed-claude-4.5-haiku', reason: 'budget_tokens' } : undefined),
  client: { sent: 25, answered: 24, failed: 0 },
  events: Array.from({ length: 20 }, (_, i) => ({ at: i * 1000, text: `event ${i}`, tone: undefined })),
  ...changes,
});
const text = (shown: Picture, columns = 100, rows = 40) => frame(shown, columns, rows, ASCII).map(plain);

describe('the live view', () => {
  test('shows budgets, who serves and why, what the app saw', () => {
    const lines = text(picture());
    expect(lines.slice(0, 11)).toEqual([
      'Spillway demo  0:13 of 1:15',
      '',
      'model                 requests/min          tokens/min             answered',
      'dev-claude            ######.. 8/10         #######. 9,256/10,000         8',
      'prod-claude           ######## 10/10        #....... 1,068/10,000         6',
      'bed-claude-4.5-haiku  #####... 1,200/1,800  ........ 0/3,600,000      1,200',
      '',
      'dev-claude-with-fallback   served by bed-claude-4.5-haiku  budget_tokens',
      'prod-claude-with-fallback  served by nobody yet',
      '',
      'app: 25 sent, 24 answered, 0 failed',
    ]);
    expect(lines.at(-1)).toBe('0:19  event 19');
  });

  test('every line fits 80 columns, with two sidecars too', () => {
    for (const line of text(picture({ figures: figures([10, 10]) }), 80)) expect(line.length).toBeLessThan(80);
  });

  test.each([1, 5, 12, 24])('never has more lines than the terminal of %i rows has', (rows) => {
    expect(text(picture(), 80, rows).length).toBeLessThanOrEqual(rows);
  });

  test('a narrow terminal gets numbers without bars', () => {
    expect(text(picture(), 50)[3]).toBe('dev-claude            8/10          9,256/10,000         8');
  });

  test('without an app there is no line of one, and no end', () => {
    const lines = text(picture({ client: undefined, durationMs: undefined }));
    expect(lines[0]).toBe('Spillway demo  0:13, until Ctrl-C');
    expect(lines.join('\n')).not.toContain('app:');
  });

  test('two sidecars: how many calls each made', () => {
    expect(text(picture({ figures: figures([6, 4]) })).join('\n')).toContain('2 sidecars share each budget; calls: dev-claude 6 + 4, prod-claude 6 + 4');
  });

  test('a provider that is unknown to the budgets yet divides nothing by zero', () => {
    const none = { requests: use(0, 0), tokens: use(0, 0), answered: 0, calls: [] };
    const lines = text(picture({ figures: { ...figures(), models: new Map([['dev-claude', none]]) } }));
    expect(lines[3]).toContain('........ 0/0');
  });
});

test('the status line says the same without colours or bars', () => {
  expect(statusText(picture())).toBe(
    'dev-claude 8/10 requests 9,256/10,000 tokens | prod-claude 10/10 requests 1,068/10,000 tokens | ' +
      'bed-claude-4.5-haiku 1,200/1,800 requests 0/3,600,000 tokens | app 25 sent 24 answered 0 failed',
  );
  expect(statusText(picture({ client: undefined }))).toContain('| 1,214 answered');
});

describe('lines', () => {
  test('are cut before they are coloured', () => {
    const line = ['ab', ['good', 'cdef'], 'gh'] as const;
    expect(paint(fit(line, 4))).toBe('ab\x1b[32mcd\x1b[0m');
    expect(plain(fit(line, 100))).toBe('abcdefgh');
    expect(plain(fit(line, 0))).toBe('');
  });

  test('time is m:ss', () => {
    expect([0, 999, 61_000, 3_600_000].map(clockText)).toEqual(['0:00', '0:00', '1:01', '60:00']);
  });
});
