/** What cannot be brought about from outside: a caller that leaves while Redis decides. */
import { expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Budgets, Decision } from '../../../src/budgets/types.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { builtProviders } from '../../../src/providers/index.ts';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';
import { FloodGuard } from '../../../src/server/flood-guard.ts';
import { Gateway } from '../../../src/server/gateway.ts';
import { Recorder } from '../../../src/server/record.ts';
import { UNSENT } from '../../../src/decide/asks.ts';
import { LearnedOutput } from '../../../src/decide/learned-output.ts';
import { NEUTRAL } from '../../../src/decide/report.ts';
import { buildRuntime } from '../../../src/server/runtime.ts';
import { Instruments } from '../../../src/telemetry/instruments.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { Dispatchers } from '../../../src/upstream/dispatchers.ts';
import { CoarseTimer } from '../../../src/wire/coarse-timer.ts';
import { HeldBytes } from '../../../src/wire/held-bytes.ts';
import { listening } from './listening.ts';

test('a caller that leaves while the budgets decide: nothing is sent, and all is given back', async () => {
  let calls = 0;
  const upstream = await listening(createServer((_req, res) => {
    calls++;
    res.end();
  }));
  const result = parseConfig(JSON.stringify({ models: { m: { provider: 'openai', model: 'u', baseUrl: `http://127.0.0.1:${upstream}/v1` } }, groups: {} }), 'x.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const runtime = buildRuntime(result.config, '', '', { providers: builtProviders(Date.now), secret: () => undefined, meters: new Map(), learned: new LearnedOutput(), gauges: new Map(), random: () => 0.5, now: () => new Date() });
  const settled: unknown[] = [];
  const decision = Promise.withResolvers<Decision>();
  const asked = Promise.withResolvers<void>();
  const budgets = {
    reserve: () => {
      asked.resolve();
      return decision.promise;
    },
    settle: (id: string, actual: object, report: object) => void settled.push([id, actual, report]),
  } as unknown as Budgets;
  const timer = new CoarseTimer(() => performance.now());
  const instruments = new Instruments();
  const dispatchers = new Dispatchers({});
  const gateway = new Gateway({
    budgets: () => budgets, dispatchers, timer, held: new HeldBytes(1000), recorder: new Recorder(instruments, timer.now),
    log: createLog('silent', { write: () => undefined }), newId: () => 'id', maxAgeMs: 10_000, learned: new LearnedOutput(), flood: new FloodGuard({ now: () => 0 }), random: () => 0.5,
  });
  const served = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const sidecar = await listening(createServer((req, res) => {
    res.on('close', closed.resolve);
    const request = openAiRequestReader('chat')(Buffer.from('{"model":"m"}'), '');
    const exchange = { req, res, original: request, request, drill: undefined, begun: undefined, reached: undefined, continueBy: undefined, route: runtime.routes.get('m')!, app: undefined, noFallback: false, startedAt: timer.now(), deadlineAt: timer.now() + 5000, holder: undefined, charge: undefined };
    gateway.serve(exchange).then(served.resolve, served.reject);
  }));
  const socket = connect(sidecar, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
  await asked.promise;
  socket.destroy();
  await closed.promise;
  decision.resolve({ chosen: 0, refusals: [], levels: [], replayed: false, probe: false, would: null, by: 'redis' });
  await served.promise;
  expect(settled).toEqual([['id', UNSENT, NEUTRAL]]);
  expect(calls).toBe(0);
  expect([...instruments.requests.samples()].map(({ labels }) => labels[2])).toEqual(['client_left']);
  expect([...instruments.attempts.samples()].filter(({ value }) => value > 0)).toEqual([]);
  await dispatchers.close();
});
