/** Many requests at once while everything that can fail does: each ends once, whole or told so, and nothing is left behind. */
import { expect, test } from '@jest/globals';
import { hi, later, startStack, until } from '../../support/stack.ts';
import { ask, events, type Reply } from '../../unit/simulator/client.ts';
import { seeded } from '../../../src/simulator/random.ts';
import type { Fault, FaultSpec } from '../../../src/simulator/server.ts';

const FAULTS: Fault[] = [
  { status: 429, headers: { 'retry-after-ms': '5' } }, { status: 500 }, { status: 502 }, { status: 503 }, { status: 400 }, { status: 401 }, { reset: true }, { hang: true },
  { cut: 0 }, { cut: 8 }, { close: 0 }, { close: 8 }, { stall: { after: 0, ms: 60_000 } }, { stall: { after: 8, ms: 60_000 } }, { malformed: 1 }, { malformed: 8 },
  { errorEvent: 0 }, { errorEvent: 8 }, { noDone: true }, { emptyBody: true }, { notJson: true }, { truncatedJson: true }, { usageMissing: true },
  { encoding: 'gzip' }, { encoding: 'br', cut: 8 }, { encoding: 'zstd' }, { encoding: 'deflate', close: 8 }, { crlf: true }, { slowBytes: true, answerTokens: 12 }, { tokensPerSecond: 400 }, { delayMs: 30 },
];
const REQUESTS = 300;

function wholeOf(reply: Reply, stream: boolean): 'whole' | 'told' | 'wrong' {
  if (!stream) {
    const parsed = JSON.parse(reply.text) as { choices?: { finish_reason: string }[] };
    return parsed.choices?.[0]?.finish_reason === 'stop' ? 'whole' : 'wrong';
  }
  const data = events(reply.text);
  const isWhole = data.at(-1) === '[DONE]' && data.filter((one) => one.includes('"finish_reason":"stop"')).length === 1 && !reply.text.includes('"error"');
  if (isWhole) return 'whole';
  const isTold = !reply.text.includes('[DONE]') && data.at(-1)!.startsWith(': spillway') && data.at(-2)!.startsWith('{"error"');
  return isTold ? 'told' : 'wrong';
}

test('a storm', async () => {
  const random = seeded(7);
  const limits = { requestsPerMinute: 10_000, tokensPerMinute: 10_000_000, concurrency: 50 };
  const stack = await startStack({
    primary: { limits },
    backup: { limits },
    policy: { timeouts: { firstToken: '400ms', idle: '400ms', total: '3s' }, deadline: '10s', breaker: { failures: 1_000_000 } },
    simulator: { random: seeded(3), logSize: 10_000 },
  });
  const probability = 1 / FAULTS.length / 1.3;
  for (const fault of FAULTS) stack.sim.faults.add({ ...fault, probability } satisfies FaultSpec);
  const leavers: AbortController[] = [];
  const send = async (i: number): Promise<{ reply: Reply; stream: boolean; left: boolean }> => {
    const stream = i % 3 !== 0;
    await later(random() * 1000);
    const leaving = i % 10 === 0 ? new AbortController() : undefined;
    if (leaving) {
      leavers.push(leaving);
      setTimeout(() => leaving.abort(), random() * 60);
    }
    const reply = await ask(stack.url, hi({ stream, n: 1 }), { ...(leaving && { signal: leaving.signal }) });
    return { reply, stream, left: leaving !== undefined };
  };
  const all = await Promise.all(Array.from({ length: REQUESTS }, (_, i) => send(i)));

  const stayed = all.filter(({ left }) => !left);
  expect(stayed.map(({ reply }) => reply.end)).toEqual(stayed.map(() => 'whole'));
  const verdicts = stayed.map(({ reply, stream }) => (reply.status === 200 ? wholeOf(reply, stream) : (JSON.parse(reply.text) as { error: unknown }).error !== undefined ? 'refused' : 'wrong'));
  expect(verdicts.filter((verdict) => verdict === 'wrong')).toEqual([]);
  // The storm was one, and most came through.
  const counts = { whole: verdicts.filter((verdict) => verdict === 'whole').length, told: verdicts.filter((verdict) => verdict === 'told').length };
  expect(counts.whole).toBeGreaterThan(REQUESTS / 2);
  expect(counts.told).toBeGreaterThan(5);
  expect(stack.sim.faults.list().filter(({ used }) => used > 0).length).toBeGreaterThan(FAULTS.length * 0.8);

  await stack.atRest();
  expect(await stack.metric('spillway_requests_total')).toBeGreaterThanOrEqual(stayed.length);
  const broken = await stack.metric('spillway_requests_total', { outcome: 'broken' });
  expect(broken).toBeGreaterThanOrEqual(counts.told);
  // Of those who left, some had been told before.
  expect(broken).toBeLessThanOrEqual(counts.told + all.length - stayed.length);
  const attempts = await stack.metric('spillway_attempts_total');
  await until(() => stack.sim.log.length === attempts, 'the upstream has counted as many calls');
  expect((await stack.used('primary', 'requests')) + (await stack.used('backup', 'requests'))).toBe(stack.sim.log.length);
  expect(stack.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  // No call is still under way at the upstream but the hung ones, and those were left.
  await until(() => stack.sim.log.every(({ outcome }) => outcome !== 'pending'), 'every call is over');
}, 40_000);

test('connections are used again, and do not pile up', async () => {
  const stack = await startStack();
  const open = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  const round = () => Promise.all(Array.from({ length: 20 }, (_, i) => ask(stack.url, hi({ stream: i % 2 === 0 }))));
  await round();
  await stack.atRest();
  const before = open();
  for (let i = 0; i < 5; i++) await round();
  await stack.atRest();
  expect(open()).toBeLessThanOrEqual(before + 20);
});
