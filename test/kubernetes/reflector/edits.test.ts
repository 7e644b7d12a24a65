/** While the API server is healthy: what arrives, when, and what does not. */
import { describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { INTERNAL } from '../../support/kube-api-status.ts';
import { kubernetes, QUICK, until } from '../../support/kube-api-setup.ts';

const setup = kubernetes();

describe('an edit', () => {
  test('arrives within a second', async () => {
    const { api, reflect } = setup();
    api.edit('v0');
    const { texts } = reflect();
    await until(() => texts.at(-1) === 'v0', 'the first text');
    await until(() => api.watches.size === 1, 'the watch');
    const times: number[] = [];
    for (let i = 1; i <= 21; i++) {
      api.edit(`v${i}`);
      times.push(await until(() => texts.at(-1) === `v${i}`, `v${i}`));
    }
    times.sort((a, b) => a - b);
    // The median, for single ones may be late on a busy machine; what is usual is a few milliseconds.
    expect(times[10]).toBeLessThan(250);
    expect(api.count('list')).toBe(1);
    expect(api.count('watch')).toBe(1);
  });

  test.each(['line', 'pieces', 'together'] as const)('arrives however the segments are cut (%s)', async (segments) => {
    const { api, reflect } = setup();
    api.segments = segments;
    api.edit('v0');
    const { texts, troubles } = reflect();
    await until(() => texts.length === 1 && api.watches.size === 1, 'the first text');
    const large = `# ${'ä€🦊'.repeat(100_000)}`;
    api.edit('v1');
    api.edit(large);
    api.edit('v3 ü');
    await until(() => texts.at(-1) === 'v3 ü', 'the last text');
    expect(texts).toEqual(['v0', 'v1', large, 'v3 ü']);
    expect(troubles).toEqual([]);
  });

  test('of 1 MiB arrives whole, by LIST and by WATCH', async () => {
    const { api, reflect } = setup();
    const whole = (letter: string): string => letter.repeat(1024 * 1024 - 'spillway.yaml'.length);
    api.edit(whole('a'));
    const { texts } = reflect();
    await until(() => texts.length === 1 && api.watches.size === 1, 'the first');
    api.edit(whole('b'));
    await until(() => texts.length === 2, 'the second');
    expect(texts[1] === whole('b')).toBe(true);
    expect(() => api.edit(`${whole('c')}c`)).toThrow(/may not be more than/);
  });
});

test('the requests are those that the Role allows, and the watch goes on from its last bookmark', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  api.bookmarkMs = 20;
  api.secondMs = 1;
  const { texts, troubles } = reflect();
  await until(() => api.count('watch') >= 3, 'three watches');
  const [list, watch, ...later] = api.seen;
  expect({ verb: list!.verb, query: Object.fromEntries(list!.query) }).toEqual({ verb: 'list', query: { fieldSelector: 'metadata.name=spillway' } });
  expect(Object.fromEntries(watch!.query)).toMatchObject({ fieldSelector: 'metadata.name=spillway', watch: 'true', allowWatchBookmarks: 'true' });
  for (const { verb, query, httpVersion } of [watch!, ...later]) {
    expect({ verb, httpVersion }).toEqual({ verb: 'watch', httpVersion: '1.1' });
    expect(Number(query.get('timeoutSeconds'))).toBeGreaterThanOrEqual(240);
    expect(Number(query.get('timeoutSeconds'))).toBeLessThanOrEqual(360);
  }
  const versions = api.seen.slice(1).map(({ query }) => Number(query.get('resourceVersion')));
  expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  // Without an edit, so it was a bookmark that brought it on.
  api.store.compact();
  const before = api.count('watch');
  await until(() => api.count('watch') > before + 1, 'another watch');
  expect({ texts, troubles, lists: api.count('list') }).toEqual({ texts: ['v0'], troubles: [], lists: api.count('list') });
});

test('a server without bookmarks is served as well', async () => {
  const { api, reflect } = setup();
  api.bookmarkMs = 0;
  api.secondMs = 0.5;
  api.edit('v0');
  const { texts, troubles } = reflect();
  for (let i = 1; i <= 5; i++) {
    await pause(100);
    api.edit(`v${i}`);
  }
  await until(() => texts.at(-1) === 'v5', 'the last');
  expect(troubles).toEqual([]);
  expect(api.count('watch')).toBeGreaterThan(2);
});

test('the object is listed again from time to time, for events that were never sent', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  api.secondMs = 0.5;
  const { texts } = reflect({ pace: { ...QUICK, relistMs: 300 } });
  await until(() => api.watches.size === 1, 'the watch');
  for (const watch of api.watches) watch.forget();
  api.edit('v1');
  await pause(50);
  expect(texts).toEqual(['v0']);
  await until(() => texts.at(-1) === 'v1', 'the lost edit');
});

describe('no reload', () => {
  test('for a change of something else, a duplicate, or the same text again', async () => {
    const { api, reflect } = setup();
    api.edit('v0');
    const { texts, reflector } = reflect();
    await until(() => api.watches.size === 1, 'the watch');
    api.store.annotate('shop', 'spillway');
    api.store.put('shop', 'spillway', { 'spillway.yaml': 'v0', other: 'x' });
    const object = api.store.get('shop', 'spillway')!;
    for (const watch of api.watches) for (let i = 0; i < 3; i++) watch.line({ type: 'MODIFIED', object });
    await until(() => reflector.state().resourceVersion === object.metadata.resourceVersion, 'all was read');
    api.fault = ({ verb }) => (verb === 'watch' ? { inStream: INTERNAL } : undefined);
    for (const watch of api.watches) watch.reset();
    await until(() => api.count('list') > 3, 'lists');
    expect(texts).toEqual(['v0']);
  });
});

describe('the ConfigMap', () => {
  test('deleted keeps the last text and is told; created again it goes on', async () => {
    const { api, reflect } = setup();
    api.edit('v0');
    const { texts, mistakes, reflector } = reflect();
    await until(() => api.watches.size === 1, 'the watch');
    api.store.delete('shop', 'spillway');
    await until(() => mistakes.length === 1, 'the news');
    expect(mistakes).toEqual(['the ConfigMap shop/spillway was deleted']);
    expect(reflector.state()).toMatchObject({ connected: true, error: 'the ConfigMap shop/spillway was deleted' });
    api.edit('v1');
    await until(() => texts.at(-1) === 'v1', 'the new one');
    expect(reflector.state().error).toBe(null);
    // Deleted while nobody watched, and the same text afterwards: told again, so that whoever heard of the trouble hears its end.
    for (const watch of api.watches) watch.reset();
    api.store.delete('shop', 'spillway');
    await until(() => mistakes.length === 2, 'the second news');
    expect(mistakes[1]).toBe('the ConfigMap shop/spillway does not exist');
    api.edit('v1');
    await until(() => texts.length === 3, 'the same text');
    expect(texts).toEqual(['v0', 'v1', 'v1']);
  });

  test('that comes later is waited for', async () => {
    const { api, reflect } = setup();
    const { texts, mistakes, troubles } = reflect();
    await until(() => mistakes.length === 1, 'the news');
    api.edit('v0');
    await until(() => texts.length === 1, 'the text');
    expect({ troubles, texts }).toEqual({ troubles: [], texts: ['v0'] });
  });

  test('without the key is told with the keys that it has', async () => {
    const { api, reflect } = setup();
    api.store.put('shop', 'spillway', { 'config.yaml': 'x', 'other.yaml': 'y' });
    const { texts, mistakes } = reflect();
    await until(() => mistakes.length === 1, 'the news');
    expect(mistakes).toEqual(['the ConfigMap spillway has no key spillway.yaml; it has config.yaml, other.yaml']);
    await until(() => api.watches.size === 1, 'the watch');
    api.edit('v1');
    await until(() => texts.length === 1, 'the text');
    api.store.put('shop', 'spillway', undefined);
    await until(() => mistakes.length === 2, 'the second news');
    expect(mistakes[1]).toBe('the ConfigMap spillway has no key spillway.yaml; it has none');
  });

  test('of another name changes nothing, even if the server sends it', async () => {
    const { api, reflect } = setup();
    api.edit('v0');
    const { texts } = reflect();
    await until(() => api.watches.size === 1, 'the watch');
    const other = api.store.put('shop', 'other', { 'spillway.yaml': 'not ours' });
    for (const watch of api.watches) watch.line({ type: 'MODIFIED', object: other });
    api.edit('v1');
    await until(() => texts.at(-1) === 'v1', 'ours');
    expect(texts).toEqual(['v0', 'v1']);
  });
});
