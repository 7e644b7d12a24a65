/** Events on the pod: what they say, and that they never cost anything. */
import { expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { inCluster } from '../../../src/kubernetes/in-cluster.ts';
import { PodEvents, podIdentity } from '../../../src/kubernetes/pod-events.ts';
import { realTime } from '../../../src/kubernetes/time.ts';
import { INTERNAL } from '../../support/kube-api-status.ts';
import { kubernetes, until } from '../../support/kube-api-setup.ts';

const setup = kubernetes();
const POD = { name: 'shop-7d9f', namespace: 'shop', uid: '5b1e' };
const REJECTED = { type: 'Warning', reason: 'ConfigRejected', message: 'spillway.yaml:3:5: unknown key' } as const;
const APART_MS = 200;

function begin(): PodEvents {
  const events = new PodEvents(inCluster(setup().env), POD, realTime, APART_MS);
  setup().atEnd(() => events.stop());
  return events;
}

test('an event is the pod’s, and the real server would take it', async () => {
  const { api } = setup();
  begin().tell(REJECTED);
  await until(() => api.events.length === 1, 'the event');
  expect(api.events[0]).toMatchObject({
    kind: 'Event',
    metadata: { generateName: 'shop-7d9f.', namespace: 'shop' },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', ...POD },
    ...REJECTED,
    source: { component: 'spillway' },
    count: 1,
  });
  expect((api.events[0] as unknown as { firstTimestamp: string }).firstTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
});

test('many in a row are few events, and the newest is the last', async () => {
  const { api } = setup();
  const events = begin();
  for (let i = 1; i <= 50; i++) events.tell({ ...REJECTED, message: `edit ${i}` });
  await until(() => api.events.length === 2, 'two events');
  await pause(2 * APART_MS);
  expect(api.events.map(({ message }) => message)).toEqual(['edit 1', 'edit 50']);
});

test('a long message is cut to what the server takes', async () => {
  const { api } = setup();
  begin().tell({ ...REJECTED, message: 'x'.repeat(5000) });
  await until(() => api.events.length === 1, 'the event');
  expect(api.events[0]!.message).toHaveLength(1024);
});

test('without the permission it is tried once and never again', async () => {
  const { api } = setup();
  api.allowed.events = false;
  const events = begin();
  for (let i = 0; i < 3; i++) {
    events.tell(REJECTED);
    await pause(APART_MS + 20);
  }
  expect(api.count('create events')).toBe(1);
});

test('a server that fails is nobody’s trouble, and the next event is tried', async () => {
  const { api } = setup();
  api.fault = () => (api.seen.length === 1 ? { refuse: INTERNAL } : undefined);
  const events = begin();
  events.tell(REJECTED);
  await until(() => api.seen.length === 1, 'the attempt');
  events.tell({ type: 'Normal', reason: 'ConfigReloaded', message: 'hash 1234' });
  await until(() => api.events.length === 1, 'the event');
  expect(api.events[0]).toMatchObject({ reason: 'ConfigReloaded', type: 'Normal' });
});

test('stopped while one is on its way, it leaves nothing open', async () => {
  const { api } = setup();
  api.fault = () => ({ hang: true });
  const events = begin();
  events.tell(REJECTED);
  await until(() => api.seen.length === 1, 'the attempt');
  events.stop();
  await until(() => api.sockets.size === 0, 'nothing is open');
});

test.each([
  [{ POD_NAME: 'a', POD_NAMESPACE: 'b', POD_UID: 'c' }, 'own', { name: 'a', namespace: 'b', uid: 'c' }],
  [{ POD_NAME: 'a' }, 'own', { name: 'a', namespace: 'own', uid: undefined }],
  [{ POD_NAME: 'a' }, undefined, undefined],
  [{ POD_NAMESPACE: 'b' }, 'own', undefined],
])('the pod is known by %j', (env, own, expected) => {
  expect(podIdentity(env, own)).toEqual(expected);
});
