/** Which is newer, the API's text or the file's? Against a model of a kubelet that lags, leaves versions out and is cut off. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { KUBELET_LAG_MS, Newer } from '../../../src/kubernetes/newer.ts';

function begin(): { newer: Newer; pass: (ms: number) => void } {
  let now = 0;
  const newer = new Newer(() => now);
  return { newer, pass: (ms) => void (now += ms) };
}

describe('one by one', () => {
  test('without an API server the file is all there is', () => {
    const { newer } = begin();
    expect(newer.file('1', false)).toBe('take');
    expect(newer.file('2', false)).toBe('take');
    expect(newer.file('2', false)).toBe('drop');
  });

  test('an edit by API is not undone by the file that still lags', () => {
    const { newer, pass } = begin();
    newer.file('1', false);
    expect(newer.api('2')).toBe(true);
    expect(newer.api('3')).toBe(true);
    // Now the API server is gone, and the file passes through the older one.
    pass(40_000);
    expect(newer.file('2', false)).toBe('drop');
    expect(newer.file('3', false)).toBe('drop');
    expect(newer.agrees).toBe(true);
  });

  test('the file’s later change is taken at once, whether or not it had caught up', () => {
    const { newer } = begin();
    newer.file('1', false);
    newer.api('1');
    newer.api('2');
    expect(newer.file('3', false)).toBe('take');
    newer.api('4');
    newer.file('4', true);
    expect(newer.file('5', false)).toBe('take');
  });

  test('where versions were missed, a text that nobody knows may be one of them', () => {
    const { newer, pass } = begin();
    newer.file('1', false);
    newer.gap();
    newer.api('3');
    pass(20_000);
    expect(newer.file('2', false)).toBe('drop');
    pass(KUBELET_LAG_MS);
    // It came when it may have been old, and has not changed.
    expect(newer.held(false)).toBe('drop');
    expect(newer.file('4', false)).toBe('take');
    expect(newer.api('4')).toBe(false);
  });

  test('and is none of them once the file had caught up, or the kubelet must have', () => {
    for (const then of [({ newer }: ReturnType<typeof begin>) => void newer.file('3', false), ({ pass }: ReturnType<typeof begin>) => pass(KUBELET_LAG_MS)]) {
      const both = begin();
      both.newer.file('1', false);
      both.newer.gap();
      both.newer.api('3');
      then(both);
      expect(both.newer.file('4', false)).toBe('take');
    }
  });

  test('while the API server answers it decides alone, and is asked again when the file differs', () => {
    const { newer, pass } = begin();
    newer.file('1', false);
    newer.api('1');
    pass(KUBELET_LAG_MS * 2);
    expect(newer.file('2', true)).toBe('ask');
    // It could not be asked.
    expect(newer.held(false)).toBe('take');
    expect(newer.file('other', true)).toBe('ask');
    newer.confirmed();
    pass(KUBELET_LAG_MS * 2);
    expect(newer.held(false)).toBe('drop');
  });

  test('an edit that was taken back is no older text', () => {
    const { newer } = begin();
    newer.file('1', false);
    newer.api('2');
    newer.api('1');
    expect(newer.file('2', false)).toBe('drop');
    expect(newer.file('1', false)).toBe('drop');
    expect(newer.file('2', false)).toBe('take');
    expect(newer.api('1')).toBe(true);
  });

  test('a file that never follows is noticed', () => {
    const { newer, pass } = begin();
    newer.file('1', false);
    newer.api('2');
    expect(newer.apart).toBe(false);
    pass(KUBELET_LAG_MS);
    expect(newer.apart).toBe(true);
  });
});

/** Versions are numbers here, each its own text. The kubelet shows a version at most its lag old, while it is not cut off. */
const LAG = 90_000;
const step = fc.record({
  edit: fc.boolean(),
  /** The sidecar's own way to the API server, and the kubelet's. */
  connected: fc.boolean(),
  kubelet: fc.boolean(),
  sync: fc.boolean(),
  /** How far back in what it may show. */
  lag: fc.double({ min: 0, max: 1, noNaN: true }),
  ms: fc.integer({ min: 1, max: 60_000 }),
});

test('with any edits, lags and outages nothing newer is undone by something older, and the newest comes in force', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      let now = 0;
      const newer = new Newer(() => now);
      const history: { at: number; version: number }[] = [{ at: -LAG, version: 0 }];
      let shown = 0;
      let inForce = 0;
      let seen: number | undefined;
      let reachable = false;
      /** No version was missed since `seen`. */
      let watched = false;
      const becomes = (version: number): void => {
        expect(version).toBeGreaterThanOrEqual(inForce);
        inForce = version;
      };
      const newest = (): number => history.at(-1)!.version;
      const list = (): void => {
        if (!watched && newest() !== seen) newer.gap();
        seen = newest();
        watched = true;
        if (newer.api(String(newest()))) becomes(newest());
        newer.confirmed();
      };
      const follow = (verdict: ReturnType<Newer['file']>): void => {
        if (verdict === 'take') becomes(Number(newer.fileText));
        else if (verdict === 'ask') list();
      };
      const show = (version: number): void => {
        if (version === shown) return;
        shown = version;
        follow(newer.file(String(version), reachable));
      };
      follow(newer.file('0', false));
      for (const { edit, connected, kubelet, sync, lag, ms } of [...steps, { edit: false, connected: true, kubelet: true, sync: true, lag: 0, ms: 1 }]) {
        now += ms;
        if (edit) history.push({ at: now, version: newest() + 1 });
        if (reachable && !connected) follow(newer.held(false));
        reachable = connected;
        watched &&= connected;
        if (connected) list();
        // What the kubelet may show: no older than its lag, never older than before.
        const oldest = history.findLast(({ at }) => at <= now - LAG)!.version;
        const from = Math.max(shown, oldest);
        if (kubelet && (sync || from > shown)) show(from + Math.round(lag * (newest() - from)));
      }
      expect(inForce).toBe(newest());
    }),
    { numRuns: 3000 },
  );
});
