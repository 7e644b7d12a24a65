/** What the client library's own informer gets wrong (version 2.0.1), case by case, and one after another not here. */
import { expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { INTERNAL, TOO_MANY, UNAUTHORIZED } from '../../support/kube-api-status.ts';
import { kubernetes, QUICK, until } from '../../support/kube-api-setup.ts';

const setup = kubernetes();

test('1: stop() is no error, and revives nothing', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const { reflector, troubles } = reflect();
  await until(() => api.watches.size === 1, 'the watch');
  await reflector.stop();
  await pause(100);
  expect({ troubles, requests: api.seen.length }).toEqual({ troubles: [], requests: 2 });
});

test('2: stop() while waiting to reconnect ends the waiting', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  api.fault = ({ verb }) => (verb === 'watch' ? { refuse: INTERNAL } : undefined);
  const { reflector, troubles } = reflect({ pace: { ...QUICK, retryMs: 100, longestRetryMs: 100 } });
  await until(() => troubles.length === 1, 'the trouble');
  const stopped = reflector.stop();
  const requests = api.seen.length;
  await stopped;
  await pause(250);
  expect(api.seen.length).toBe(requests);
});

test('3: stop() while connecting leaves no watch open', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  api.fault = ({ verb }) => (verb === 'watch' ? { slowMs: 100 } : undefined);
  const { reflector } = reflect();
  await until(() => api.count('watch') === 1, 'the request');
  await reflector.stop();
  await pause(200);
  expect(api.watches.size).toBe(0);
  expect(api.sockets.size).toBe(0);
});

test('4: a listener that throws ends nothing, is seen, and the next edit comes', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const texts: string[] = [];
  const { reflector } = reflect({
    onText(text) {
      texts.push(text);
      if (text === 'bad') throw new Error('cannot take this');
    },
  });
  await until(() => api.watches.size === 1, 'the watch');
  const { metadata } = api.edit('bad');
  await until(() => texts.includes('bad'), 'the bad one');
  expect(reflector.state()).toMatchObject({ connected: true, resourceVersion: metadata.resourceVersion, error: 'what the API server sent could not be taken: cannot take this' });
  api.edit('good');
  await until(() => texts.includes('good'), 'the good one');
  expect(reflector.state().error).toBe(null);
  expect(api.count('watch')).toBe(1);
});

test.each([
  ['401', { refuse: UNAUTHORIZED }],
  ['403', { refuse: { status: 403, reason: 'Forbidden', message: 'no' } }],
  ['429', { refuse: { ...TOO_MANY, retryAfter: 0.01 } }],
  ['500', { refuse: INTERNAL }],
  ['a reset', { reset: true }],
] as const)('5: %s is tried again without an end, for LIST and for WATCH', async (_, fault) => {
  const { api, reflect } = setup();
  api.edit('v0');
  api.fault = ({ verb }) => (verb === 'list' ? fault : undefined);
  const { texts } = reflect();
  await until(() => api.count('list') > 3, 'LISTs');
  api.fault = ({ verb }) => (verb === 'watch' ? fault : undefined);
  await until(() => api.count('watch') > 3, 'WATCHes');
  api.fault = undefined;
  await until(() => api.watches.size === 1, 'the watch');
  api.edit('v1');
  await until(() => texts.at(-1) === 'v1', 'the edit');
});

test('6: an ERROR of 500 inside the watch is told, and the object listed again', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  api.fault = ({ verb }) => (verb === 'watch' && api.count('watch') === 1 ? { inStream: INTERNAL } : undefined);
  const { troubles } = reflect();
  await until(() => troubles.length === 2, 'the trouble and its end');
  expect(troubles).toEqual(['the API server broke off the watch (500 InternalError): Internal error occurred: etcdserver: leader changed', '']);
  expect(api.seen.map(({ verb }) => verb)).toEqual(['list', 'watch', 'list', 'watch']);
});

test.each(['http', 'event'] as const)('7: after 410 (%s) there is no pause between LIST and WATCH', async (goneAs) => {
  const { api, reflect } = setup();
  api.goneAs = goneAs;
  api.edit('v0');
  // Between the LIST and the WATCH.
  api.fault = ({ verb }) => {
    if (verb === 'watch' && api.count('watch') === 1) api.store.compact();
    return undefined;
  };
  const { troubles } = reflect({ pace: { ...QUICK, retryMs: 5000, longestRetryMs: 5000 } });
  await until(() => api.watches.size === 1 && api.count('watch') === 2, 'the second watch');
  const [, , list, watch] = api.seen;
  // The pause would be 5 s.
  expect(watch!.at - list!.at).toBeLessThan(2000);
  expect(troubles).toEqual([]);
});

test('8: a quiet object is not asked for again and again', async () => {
  const { api, reflect } = setup();
  api.bookmarkMs = 0;
  api.edit('v0');
  const { reflector } = reflect();
  await until(() => api.watches.size === 1, 'the watch');
  // The library's own inactivity timer is private, so it is looked for where it would act: no sooner than ours.
  await pause(600);
  expect({ requests: api.seen.length, connected: reflector.state().connected }).toEqual({ requests: 2, connected: true });
});

test('9: a LIST that hangs is given up', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  api.fault = () => (api.seen.length === 1 ? { hang: true } : undefined);
  const { texts, troubles } = reflect({ pace: { ...QUICK, openMs: 200 } });
  await until(() => texts.length === 1, 'the text');
  expect(troubles[0]).toBe('the API server cannot be reached: the API server did not answer within 200 ms');
});

test('10: a line that is no JSON is not passed over: what it held is fetched', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const { texts, troubles } = reflect();
  await until(() => api.watches.size === 1, 'the watch');
  for (const watch of api.watches) {
    watch.forget();
    watch.raw('{"type":"MODIFIED","object":{"kind":"ConfigMap" oops\n');
  }
  api.edit('v1');
  await until(() => texts.at(-1) === 'v1', 'the edit', 3000);
  expect(troubles[0]).toBe('the API server cannot be reached: the API server sent an event that is not JSON');
  expect(api.count('list')).toBe(2);
});

test('empty lines are no events, and no trouble', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const { texts, troubles } = reflect();
  await until(() => api.watches.size === 1, 'the watch');
  for (const watch of api.watches) watch.raw('\n\n');
  await pause(1200);
  api.edit('v1');
  await until(() => texts.at(-1) === 'v1', 'the edit');
  expect({ troubles, lists: api.count('list') }).toEqual({ troubles: [], lists: 1 });
});
