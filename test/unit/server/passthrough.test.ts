/** What cannot be brought about from outside: a caller that leaves while the budgets decide, budgets that fail. */
import { expect, test } from '@jest/globals';
import express from 'express';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Budgets, Decision } from '../../../src/budgets/types.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { builtProviders } from '../../../src/providers/index.ts';
import { passthrough } from '../../../src/server/passthrough.ts';
import { Recorder } from '../../../src/server/record.ts';
import { UNSENT } from '../../../src/decide/asks.ts';
import { LearnedOutput } from '../../../src/decide/learned-output.ts';
import { NEUTRAL, OK } from '../../../src/decide/report.ts';
import { buildRuntime } from '../../../src/server/runtime.ts';
import { Instruments } from '../../../src/telemetry/instruments.ts';
import { listening } from './listening.ts';

const ROOM: Decision = { chosen: 0, refusals: [], levels: [], replayed: false, probe: false, would: null, by: 'redis' };

/** A sidecar's pass-through before a counting upstream, with budgets that the test answers for. */
async function started(reserve: () => Promise<Decision>) {
  const upstream = { calls: 0 };
  const upstreamPort = await listening(createServer((_req, res) => {
    upstream.calls++;
    res.end('ok');
  }));
  const result = parseConfig(JSON.stringify({ models: { m: { provider: 'openai', model: 'u', baseUrl: `http://127.0.0.1:${upstreamPort}/v1` } }, groups: {} }), 'x.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const runtime = buildRuntime(result.config, '', '', { providers: builtProviders(Date.now), secret: () => undefined, meters: new Map(), learned: new LearnedOutput(), gauges: new Map(), random: () => 0.5, now: () => new Date() });
  const settled: unknown[] = [];
  const budgets = { reserve, settle: (id: string, actual: object, report: object) => void settled.push([id, actual, report]) } as unknown as Budgets;
  const instruments = new Instruments();
  const recorder = new Recorder(instruments, () => performance.now());
  const handler = passthrough({ runtime: () => runtime, budgets: () => budgets, recorder, newId: () => 'id', now: () => performance.now(), draining: () => false, proxyEnv: {} });
  const server = createServer(express().use(handler));
  const port = await listening(server);
  return { server, port, upstream, settled, recorder, attempts: () => [...instruments.attempts.samples()].filter(({ value }) => value > 0) };
}

const ASK = 'POST /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: m\r\ncontent-length: 3\r\n\r\nabc';

test('a caller that leaves while the budgets decide: nothing is sent, and all is given back', async () => {
  const asked = Promise.withResolvers<void>();
  const decision = Promise.withResolvers<Decision>();
  const { server, port, upstream, settled, recorder, attempts } = await started(() => {
    asked.resolve();
    return decision.promise;
  });
  const gone = Promise.withResolvers<void>();
  server.on('connection', (socket) => void socket.on('close', gone.resolve));
  const socket = connect(port, '127.0.0.1', () => socket.write(ASK));
  await asked.promise;
  // A shutdown must wait for it already.
  expect(recorder.running).toBe(1);
  socket.destroy();
  await gone.promise;
  decision.resolve(ROOM);
  while (recorder.running > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(settled).toEqual([['id', UNSENT, NEUTRAL]]);
  expect([upstream.calls, attempts()]).toEqual([0, []]);
});

test('budgets that fail let nothing through and leave nothing running', async () => {
  const { port, upstream, recorder } = await started(() => Promise.reject(new Error('no budgets')));
  const answer = await fetch(`http://127.0.0.1:${port}/v1/files`, { method: 'POST', body: 'abc', headers: { 'x-spillway-model': 'm' } });
  expect([answer.status, upstream.calls, recorder.running]).toEqual([500, 0, 0]);
});

test('room: the upstream is asked once, and what it may have counted stays charged', async () => {
  const { port, upstream, settled, recorder } = await started(() => Promise.resolve(ROOM));
  const answer = await fetch(`http://127.0.0.1:${port}/v1/files`, { method: 'POST', body: 'abc', headers: { 'x-spillway-model': 'm' } });
  expect([answer.status, await answer.text()]).toEqual([200, 'ok']);
  while (recorder.running > 0) await new Promise((resolve) => setImmediate(resolve));
  expect([upstream.calls, settled]).toEqual([1, [['id', {}, OK]]]);
});
