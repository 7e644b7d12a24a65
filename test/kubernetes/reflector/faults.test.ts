/** Each fault, an edit during it, and its end: the edit is in force within 10 s at the real pace, a hundredth of it here. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { setTimeout as pause } from 'node:timers/promises';
import { Backoff } from '../../../src/kubernetes/backoff.ts';
import { PACE } from '../../../src/kubernetes/pace.ts';
import type { KubeApi } from '../../support/kube-api.ts';
import { INTERNAL, TOO_MANY, UNAUTHORIZED, UNAVAILABLE, type Status } from '../../support/kube-api-status.ts';
import { kubernetes, QUICK, until } from '../../support/kube-api-setup.ts';

const setup = kubernetes();

/** QUICK's longest wait, and what a busy machine adds to it. */
const AFTER_MS = 2000;
const FORBIDDEN: Status = { status: 403, reason: 'Forbidden', message: 'configmaps is forbidden' };

/** Begins the fault; answers how to end it. */
type Trouble = (api: KubeApi) => (() => void | Promise<unknown>) | Promise<() => void | Promise<unknown>>;

const breakOff = (api: KubeApi): void => {
  for (const watch of api.watches) watch.reset();
};
const heal = (api: KubeApi) => (): void => void (api.fault = undefined);
const refuse = (status: Status): Trouble => (api) => {
  api.fault = () => ({ refuse: status });
  breakOff(api);
  return heal(api);
};

const FAULTS: Record<string, Trouble> = {
  ...Object.fromEntries([UNAUTHORIZED, FORBIDDEN, { ...TOO_MANY, retryAfter: 0.05 }, INTERNAL, UNAVAILABLE].map((status) => [`${status.status} on everything`, refuse(status)])),
  'the connections are reset': (api) => {
    api.fault = () => ({ reset: true });
    breakOff(api);
    return heal(api);
  },
  'LIST hangs': (api) => {
    api.fault = ({ verb }) => (verb === 'list' ? { hang: true } : undefined);
    breakOff(api);
    return heal(api);
  },
  'LIST is slow': (api) => {
    api.fault = ({ verb }) => (verb === 'list' ? { slowMs: 300 } : undefined);
    breakOff(api);
    return heal(api);
  },
  'WATCH hangs before its headers': (api) => {
    api.fault = ({ verb }) => (verb === 'watch' ? { hang: true } : undefined);
    breakOff(api);
    return heal(api);
  },
  'WATCH is ended at once, each time': (api) => {
    api.fault = ({ verb }) => (verb === 'watch' ? { endAtOnce: true } : undefined);
    breakOff(api);
    return heal(api);
  },
  'an ERROR of 500 inside each watch': (api) => {
    api.fault = ({ verb }) => (verb === 'watch' ? { inStream: INTERNAL } : undefined);
    breakOff(api);
    return heal(api);
  },
  'a proxy answers with pages': (api) => {
    api.fault = ({ verb }) => (verb === 'list' ? { page: 200, body: '<html>log in</html>' } : { page: 502, body: '<html>bad gateway</html>' });
    breakOff(api);
    return heal(api);
  },
  'the server restarts': async (api) => {
    await api.stop();
    return () => api.start();
  },
  'the server restarts three times': async (api) => {
    await api.stop();
    return async () => {
      for (let i = 0; i < 2; i++) {
        await api.start();
        await pause(30);
        await api.stop();
      }
      await api.start();
    };
  },
  'half-open: the connection stays and nothing comes': (api) => {
    for (const watch of api.watches) watch.freeze();
    return () => undefined;
  },
  'the version is forgotten, said by the status': (api) => forgotten(api, 'http'),
  'the version is forgotten, said inside the watch': (api) => forgotten(api, 'event'),
};

function forgotten(api: KubeApi, goneAs: KubeApi['goneAs']): () => void {
  api.goneAs = goneAs;
  for (const watch of api.watches) {
    watch.forget();
    watch.end();
  }
  api.store.compact();
  return () => undefined;
}

test.each(Object.entries(FAULTS))('%s', async (_, begin) => {
  const { api, reflect } = setup();
  api.edit('before');
  const { texts, reflector } = reflect({ pace: { ...QUICK, bookmarkSilenceMs: 400 } });
  await until(() => texts.length === 1 && api.watches.size === 1, 'a healthy start');
  // Silence means something only after a first bookmark.
  await pause(150);
  const end = await begin(api);
  api.edit('during');
  await pause(100);
  await end();
  await until(() => texts.at(-1) === 'during', 'the edit', AFTER_MS);
  await until(() => reflector.state().connected && api.watches.size > 0, 'a watch', AFTER_MS);
  api.edit('after');
  await until(() => texts.at(-1) === 'after', 'the next edit', AFTER_MS);
  expect(texts).toEqual(['before', 'during', 'after']);
});

describe('waiting', () => {
  test('grows from half a second to a minute, at random, and begins anew', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), (chances) => {
        const backoff = new Backoff(PACE.retryMs, PACE.longestRetryMs, () => chances.next().value!);
        let last = PACE.retryMs;
        for (let i = 0; i < 50; i++) {
          const wait = backoff.next();
          expect(wait).toBeGreaterThanOrEqual(500);
          expect(wait).toBeLessThanOrEqual(Math.min(60_000, last * 3));
          last = wait;
        }
        backoff.reset();
        expect(backoff.next()).toBeLessThanOrEqual(1500);
      }),
    );
  });

  test.each([
    ['429', 'list', TOO_MANY],
    ['503', 'list', { ...UNAVAILABLE, retryAfter: 1 }],
    ['429', 'watch', TOO_MANY],
  ])('lasts as long as the server asks (%s on %s)', async (_, which, status) => {
    const { api, reflect } = setup();
    api.edit('v0');
    api.fault = ({ verb }) => (verb === which ? { refuse: status } : undefined);
    const { troubles } = reflect();
    await until(() => api.count(which) === 1, 'the refusal');
    heal(api)();
    await until(() => api.count(which) === 2, 'the second attempt');
    const [first, second] = api.seen.filter(({ verb }) => verb === which);
    expect(second!.at - first!.at).toBeGreaterThan(950);
    expect(troubles[0]).toBe(`the API server answered ${status.status}: ${status.message}`);
  });

  test('is short and jittered after 410, which a whole fleet gets at once', async () => {
    const { api, reflect } = setup();
    api.edit('v0');
    const { texts, troubles } = reflect({ pace: { ...QUICK, promptMs: 100, retryMs: 3000 } });
    await until(() => api.watches.size === 1, 'the watch');
    await pause(2 * QUICK.shortestWatchMs!);
    forgotten(api, 'event');
    api.edit('v1');
    await until(() => texts.at(-1) === 'v1', 'the edit', 1500);
    // It is no trouble, so nobody is told.
    expect(troubles).toEqual([]);
  });

  test('grows when 410 comes again and again', async () => {
    const { api, reflect } = setup();
    api.edit('v0');
    api.fault = ({ verb }) => (verb === 'watch' ? { refuse: { status: 410, reason: 'Expired', message: 'too old resource version: 1 (2)' } } : undefined);
    reflect({ pace: { ...QUICK, retryMs: 100, longestRetryMs: 1000 } });
    await pause(1000);
    expect(api.count('watch')).toBeLessThan(10);
  });
});

test('trouble is told once, with the server’s own words, and its end', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const { troubles, reflector } = reflect({ pace: { ...QUICK, longWatchMs: 0 } });
  await until(() => reflector.state().connected, 'the watch');
  expect(reflector.state()).toMatchObject({ connected: true, error: null });
  await FAULTS['500 on everything']!(api);
  await until(() => api.count('list') > 4, 'several attempts');
  expect(troubles).toEqual(['the API server answered 500: Internal error occurred: etcdserver: leader changed']);
  expect(reflector.state()).toMatchObject({ connected: false, error: troubles[0] });
  heal(api)();
  await until(() => troubles.length === 2, 'the end');
  expect(troubles[1]).toBe('');
  await until(() => (reflector.state().ageMs ?? Infinity) < 200, 'bookmarks keep it young');
});

test('a server that cannot be reached is told with the reason', async () => {
  const { api, reflect } = setup();
  await api.stop();
  const { troubles } = reflect();
  await until(() => troubles.length === 1, 'the news');
  expect(troubles[0]).toBe(`the API server cannot be reached: connect ECONNREFUSED 127.0.0.1:${api.port}`);
});

test('edits still arrive, later, where watching does not work at all', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  api.allowed.watch = false;
  const { texts, remedies, troubles } = reflect();
  await until(() => api.count('watch') > 2, 'attempts');
  api.edit('v1');
  await until(() => texts.at(-1) === 'v1', 'the edit');
  expect(troubles).toHaveLength(1);
  expect(troubles[0]).toContain('User "system:serviceaccount:shop:default" cannot watch resource "configmaps" in API group "" in the namespace "shop"');
  expect(remedies).toEqual([
    `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: spillway, namespace: shop}
rules:
  - {apiGroups: [""], resources: [configmaps], resourceNames: [spillway], verbs: [get, list, watch]}`,
  ]);
});

test('whatever goes wrong in whatever order, the last edit arrives', async () => {
  const { api, reflect } = setup();
  const names = Object.keys(FAULTS).filter((name) => !name.includes('hangs'));
  const step = fc.record({ fault: fc.constantFrom(...names), edits: fc.nat(3), pauses: fc.tuple(fc.nat(30), fc.nat(60)), deleted: fc.boolean() });
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
      api.edit(`start ${count++}`);
      const { texts, reflector } = reflect({ pace: { ...QUICK, watchSeconds: [1, 2], openMs: 300 } });
      let last = '';
      for (const { fault, edits, pauses, deleted } of steps) {
        await pause(pauses[0]);
        const end = await FAULTS[fault]!(api);
        for (let i = 0; i < edits; i++) {
          if (deleted && i === 0) api.store.delete('shop', 'spillway');
          api.edit((last = `edit ${count++}`));
          await pause(pauses[1] / 3);
        }
        await end();
        heal(api)();
      }
      api.edit((last = `edit ${count++}`));
      await until(() => texts.at(-1) === last, `${last} after ${JSON.stringify(steps)}`, 2 * AFTER_MS);
      await reflector.stop();
      await until(() => api.watches.size === 0, 'nothing is open');
      expect(new Set(texts).size).toBe(texts.length);
    }),
    { numRuns: 6, endOnFailure: true },
  );
}, 40_000);

test('an old connection that somebody cuts is no news', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const { texts, troubles, reflector } = reflect({ pace: { ...QUICK, longWatchMs: 50 } });
  await until(() => api.watches.size === 1, 'the watch');
  await pause(100);
  breakOff(api);
  api.edit('v1');
  await until(() => texts.at(-1) === 'v1', 'the edit');
  await until(() => reflector.state().connected, 'the next watch');
  expect(troubles).toEqual([]);
});
