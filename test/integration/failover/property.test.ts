/** A thousand requests while all models fail in all ways: no half answer as a whole one, and every account closed. */
import { expect, test } from '@jest/globals';
import type { Stack } from '../../support/stack.ts';
import type { Reply } from '../../unit/simulator/client.ts';
import { seeded } from '../../../src/simulator/random.ts';
import { watchBudgets } from './watched-budgets.ts';

const watch = await watchBudgets();
const { askHi, LIMITS, startFailover } = await import('./support.ts');
const { until } = await import('../../support/stack.ts');
const { ask, contentOf, events } = await import('../../unit/simulator/client.ts');
const { startFaultyWriter, TEXT, WAYS } = await import('./faulty-writer.ts');

const MAX_ATTEMPTS = 6;
const DEADLINE_MS = 3000;
const AT_ONCE = 40;
const GROUPS = ['error', 'buffer', 'continue'] as const;

type Verdict = 'whole' | 'told' | 'refused' | 'wrong';

function verdictOf(reply: Reply, stream: boolean): Verdict {
  if (reply.end !== 'whole') return 'wrong';
  if (reply.status !== 200) return typeof (JSON.parse(reply.text) as { error?: { message?: unknown } }).error?.message === 'string' ? 'refused' : 'wrong';
  if (!stream) {
    const { choices } = JSON.parse(reply.text) as { choices: { finish_reason: string; message: { content: string } }[] };
    return choices[0]!.finish_reason === 'stop' && choices[0]!.message.content === TEXT ? 'whole' : 'wrong';
  }
  const all = events(reply.text);
  const answer = all.filter((event) => !event.startsWith(':'));
  const finishes = answer.filter((event) => event.includes('"finish_reason":"stop"')).length;
  if (answer.at(-1) === '[DONE]') {
    const text = contentOf(answer.map((data) => `data: ${data}`).join('\n\n'));
    return finishes === 1 && text === TEXT && !reply.text.includes('"error"') ? 'whole' : 'wrong';
  }
  const told = finishes === 0 && answer.at(-1)!.startsWith('{"error"') && all.at(-1)!.startsWith(': spillway {"outcome":"broken"');
  return told && TEXT.startsWith(contentOf(answer.slice(0, -1).map((data) => `data: ${data}`).join('\n\n'))) ? 'told' : 'wrong';
}

interface Storm {
  readonly requests: number;
  readonly seed: number;
  readonly breaker: object;
  /** Of the calls that fail. */
  readonly share: number;
  /** A Redis that takes its time. */
  readonly decisionMs: number;
  /** One in so many leaves at some moment; 0: nobody. */
  readonly leaves: number;
}

async function storm({ requests, seed, breaker, share, decisionMs, leaves }: Storm) {
  watch.settled.clear();
  watch.strangers.length = 0;
  const random = seeded(seed);
  watch.delay = () => (decisionMs > 0 ? Math.ceil(random() * decisionMs) : 0);
  const writers = { primary: await startFaultyWriter(seed + 1, share), backup: await startFaultyWriter(seed + 2, share), last: await startFaultyWriter(seed + 3, share) };
  const chain = { models: ['primary'], fallback: ['backup', 'last'] };
  const stack = await startFailover({
    models: Object.fromEntries(Object.entries(writers).map(([name, { baseUrl }]) => [name, { baseUrl, limits: { ...LIMITS, concurrency: 40 } }])),
    groups: Object.fromEntries(GROUPS.map((streamRecovery) => [streamRecovery, { ...chain, policy: { streamRecovery } }])),
    policy: {
      retry: { attempts: 1, backoff: '5ms', honourRetryAfter: '100ms' }, wait: '20ms', hedge: { after: '50ms', maxShare: 0.3 }, maxAttempts: MAX_ATTEMPTS, deadline: `${DEADLINE_MS}ms`,
      timeouts: { firstToken: '250ms', idle: '250ms', total: '1s' }, breaker,
    },
  });
  const send = async (i: number): Promise<{ reply: Reply; stream: boolean; group: string; left: boolean }> => {
    const stream = i % 3 !== 0;
    const group = GROUPS[i % 3 === 0 ? 0 : Math.floor(random() * 3)]!;
    const left = leaves > 0 && i % leaves === 0;
    const signal = left ? AbortSignal.timeout(5 + Math.ceil(random() * 150)) : undefined;
    return { reply: await ask(stack.url, { ...askHi(), model: group, stream }, { headers: { 'x-request-number': String(i) }, ...(signal && { signal }) }), stream, group, left };
  };
  // So many at once, not so many a second: a slower machine has a longer storm, not a deeper queue.
  const numbers = Array.from({ length: requests }, (_, i) => i).values();
  const all: Awaited<ReturnType<typeof send>>[] = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const i of numbers) all.push(await send(i));
  }));
  return { stack, writers, all };
}

async function closed({ stack, writers, all }: Awaited<ReturnType<typeof storm>>): Promise<Record<Verdict, number>> {
  const stayed = all.filter(({ left }) => !left);
  const judged = stayed.map((one) => ({ ...one, verdict: verdictOf(one.reply, one.stream) }));
  expect(judged.filter(({ verdict }) => verdict === 'wrong').map(({ reply, group }) => [group, reply.status, reply.end, reply.text])).toEqual([]);
  const count = (verdict: Verdict): number => judged.filter((one) => one.verdict === verdict).length;

  await stack.atRest();
  // One outcome a request.
  const outcomes = async (outcome?: string): Promise<number> => stack.metric('spillway_requests_total', outcome === undefined ? {} : { outcome });
  const counted = { ok: await outcomes('ok'), broken: await outcomes('broken'), refused: (await outcomes('refused')) + (await outcomes('client_error')) };
  const judgements = { ok: count('whole'), broken: count('told'), refused: count('refused') };
  if (stayed.length === all.length) expect({ all: await outcomes(), ...counted }).toEqual({ all: all.length, ...judgements });
  else {
    // Who left may have had its answer, or not have been heard at all.
    expect(await outcomes()).toBeLessThanOrEqual(all.length);
    for (const [name, least] of Object.entries(judgements)) expect(counted[name as keyof typeof counted]).toBeGreaterThanOrEqual(least);
    expect(await outcomes('client_left')).toBeGreaterThan(0);
  }
  // One settle a reservation.
  expect({ not: [...watch.settled].filter(([, times]) => times !== 1), strangers: watch.strangers }).toEqual({ not: [], strangers: [] });
  // Bounds, as the providers saw them.
  const calls = new Map<string, number>();
  const seen = Object.values(writers).flatMap((writer) => writer.seen);
  for (const { headers } of seen) calls.set(String(headers['x-request-number']), (calls.get(String(headers['x-request-number'])) ?? 0) + 1);
  expect(Math.max(...calls.values())).toBeLessThanOrEqual(MAX_ATTEMPTS);
  expect(Math.max(...all.map(({ reply }) => Number(reply.headers['x-spillway-attempts'] ?? 0)))).toBeLessThanOrEqual(MAX_ATTEMPTS);
  expect(Math.max(...all.map(({ reply }) => reply.totalMs))).toBeLessThanOrEqual(DEADLINE_MS + 1500);
  // Each call is in the metrics; one that was given up as it was written may not have arrived.
  const attempts = await stack.metric('spillway_attempts_total');
  expect(attempts).toBeGreaterThanOrEqual(seen.length);
  expect(attempts).toBeLessThanOrEqual(seen.length * 1.01 + 2);
  expect(stack.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  return { whole: count('whole'), told: count('told'), refused: count('refused'), wrong: 0 };
}

/** What still hangs at an upstream is closed; idle connections may stay. */
async function noneIsBusy(stack: Stack, writers: Awaited<ReturnType<typeof storm>>['writers']): Promise<void> {
  await until(async () => (await stack.status()).requests.running === 0, 'rest');
  for (const writer of Object.values(writers)) {
    await until(() => writer.busy() === 0, 'no response of an upstream is open');
  }
}

test('1,000 requests', async () => {
  const run = await storm({ requests: 1000, seed: 11, share: 0.5, breaker: { failures: 1_000_000 }, decisionMs: 0, leaves: 0 });
  const counts = await closed(run);
  await noneIsBusy(run.stack, run.writers);
  process.stdout.write(`1,000 requests: ${JSON.stringify(counts)}, ${Object.values(run.writers).reduce((sum, { seen }) => sum + seen.length, 0)} upstream calls, hedges given up: ${await run.stack.metric('spillway_attempts_total', { outcome: 'cancelled' })}\n`);
  // It was a storm, everything happened, and most came through.
  expect(WAYS.filter((way) => Object.values(run.writers).some(({ gone }) => gone.has(way))).length).toBe(WAYS.length);
  expect(counts.whole).toBeGreaterThan(700);
  expect(counts.told).toBeGreaterThan(10);
  expect(await run.stack.metric('spillway_attempts_total', { outcome: 'cancelled' })).toBeGreaterThan(5);
}, 60_000);

test('300 more, with breakers that open and close, budgets that answer late, and callers that leave', async () => {
  const run = await storm({ requests: 300, seed: 23, share: 0.35, breaker: { failures: 8, window: '1s', open: '100ms' }, decisionMs: 30, leaves: 6 });
  const counts = await closed(run);
  await noneIsBusy(run.stack, run.writers);
  expect(counts.whole).toBeGreaterThan(100);
}, 60_000);
