/** Stopped in each of its states: at once, with nothing left open, and nothing that comes back to life. */
import { expect, test } from '@jest/globals';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { inCluster } from '../../../src/kubernetes/in-cluster.ts';
import { INTERNAL } from '../../support/kube-api-status.ts';
import { kubernetes, QUICK, until, type Setup, type Watched } from '../../support/kube-api-setup.ts';

const setup = kubernetes();

/** Brings a reflector into the state; answers it. */
const STATES: Record<string, (setup: Setup) => Promise<Watched>> = {
  'not yet begun': async ({ reflect }) => reflect(),
  'connecting': async ({ reflect }) => {
    const watched = reflect();
    await pause(1);
    return watched;
  },
  'in LIST': async ({ api, reflect }) => {
    api.fault = () => ({ hang: true });
    const watched = reflect();
    await until(() => api.count('list') === 1, 'the LIST');
    return watched;
  },
  'in WATCH, before its headers': async ({ api, reflect }) => {
    api.edit('v0');
    api.fault = ({ verb }) => (verb === 'watch' ? { hang: true } : undefined);
    const watched = reflect();
    await until(() => api.count('watch') === 1, 'the WATCH');
    return watched;
  },
  'in WATCH': async ({ api, reflect }) => {
    api.edit('v0');
    const watched = reflect();
    await until(() => api.watches.size === 1, 'the WATCH');
    return watched;
  },
  'in WATCH, half-open': async ({ api, reflect }) => {
    const watched = await STATES['in WATCH']!({ ...setup(), reflect });
    for (const watch of api.watches) watch.freeze();
    return watched;
  },
  'in the middle of an event': async ({ api, reflect }) => {
    const watched = await STATES['in WATCH']!({ ...setup(), reflect });
    for (const watch of api.watches) watch.raw('{"type":"MODIFIED","object":{"metadata":{"name":"spill');
    await pause(20);
    return watched;
  },
  'waiting for the next attempt': async ({ api, reflect }) => {
    api.fault = () => ({ refuse: INTERNAL });
    const watched = reflect({ pace: { ...QUICK, retryMs: 60_000, longestRetryMs: 60_000 } });
    await until(() => watched.troubles.length === 1, 'the trouble');
    return watched;
  },
  'while the server is down': async ({ api, reflect }) => {
    await api.stop();
    const watched = reflect();
    await until(() => watched.troubles.length === 1, 'the trouble');
    return watched;
  },
};

test.each(Object.entries(STATES))('%s', async (_, reach) => {
  const { api } = setup();
  const { reflector, texts, troubles, mistakes } = await reach(setup());
  const told = (): number => texts.length + troubles.length + mistakes.length;
  const before = told();
  const began = performance.now();
  await reflector.stop();
  expect(performance.now() - began).toBeLessThan(500);
  await until(() => api.watches.size === 0 && api.sockets.size === 0, 'nothing is open');
  const requests = api.seen.length;
  api.fault = undefined;
  api.edit('after the stop');
  reflector.refresh();
  await pause(QUICK.longestRetryMs! + 50);
  expect({ told: told(), requests: api.seen.length, connected: reflector.state().connected }).toEqual({ told: before, requests, connected: false });
  await reflector.stop();
});

test('in the TLS handshake with a server that says nothing', async () => {
  const sockets = new Set<unknown>();
  const silent: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined).resume();
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  try {
    const { reflect, env } = setup();
    const port = (silent.address() as { port: number }).port;
    // Longer than it is waited for: it is the stop that ends it.
    const { reflector } = reflect({ cluster: inCluster({ ...env, KUBERNETES_SERVICE_PORT: String(port) }), pace: { ...QUICK, openMs: 60_000 } });
    await until(() => sockets.size === 1, 'the connection');
    await reflector.stop();
    await until(() => sockets.size === 0, 'the connection is gone');
  } finally {
    silent.close();
  }
});

test('from inside a listener', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const told: string[] = [];
  const { reflector } = reflect({
    onText(text) {
      told.push(text);
      if (text === 'v1') void reflector.stop();
    },
  });
  await until(() => api.watches.size === 1, 'the watch');
  for (const text of ['v1', 'v2', 'v3']) api.edit(text);
  await until(() => api.watches.size === 0, 'nothing is open');
  await pause(50);
  expect(told).toEqual(['v0', 'v1']);
});
