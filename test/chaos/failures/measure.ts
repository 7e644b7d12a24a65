/** Tries one fault on a stage, and says what apps and providers saw of it. */
import { setTimeout as pause } from 'node:timers/promises';
import { INTERVALS } from '../../../src/budgets/intervals.ts';
import type { SimCall } from '../../../src/simulator/server.ts';
import { worstWindow } from '../../../src/simulator/worst-window.ts';
import { clock, failures, statusOf, type Answer } from '../client.ts';
import { arrivals, guaranteedMs } from '../setup.ts';
import { LIMITS, MINUTE_MS, SHAPE, type Limited, type Stage } from './stage.ts';

export interface Fault {
  readonly name: string;
  /** Why no more comes of it; for the table. */
  readonly why: string;
  readonly begin: () => unknown;
  /** How long it lasts from there; 0 where there is nothing to end. */
  readonly lastsMs: number;
  readonly end?: () => unknown;
  /** Which pods decide without Redis meanwhile. */
  readonly alone: 'all' | 'one' | 'none';
  /** Redis has lost what it knew, and is told again before it decides. */
  readonly learns?: true;
}

/** Of the limit: 1 is all that is allowed. */
export type Fullest = Readonly<Record<Limited, number>>;

export interface Measured {
  readonly name: string;
  readonly requests: number;
  /** What an app would call a failure. */
  readonly errors: readonly string[];
  /** Requests that the sidecar itself held as long as the time-out or longer, and the longest of all, in ms. */
  readonly held: number;
  readonly longestHeldMs: number;
  /** While the fault lasted, how many were served by the model that was asked for, of what the limits allow. */
  readonly use: number | null;
  /** From a minute before the fault to a minute after it. */
  readonly fullest: Fullest;
  /** From one beat after Redis decides again. */
  readonly fullestAfter: Fullest;
  /** The spans looked at are as long as this: a provider's minute, less where calls were slow on their way. */
  readonly spanMs: number;
  /** From the end of the fault until all pods are decided for by Redis; null if they always were. */
  readonly recoveredMs: number | null;
  /** How far apart pods found Redis again; 0 if they never lost it. */
  readonly apartMs: number;
  /** What pods said when they lost it. */
  readonly lost: readonly string[];
  /** On a busy machine an answer can be late without any fault. */
  readonly lostAgain: boolean;
}

const LOOK_MS = 30;
const AT_MOST_MS = 20_000;
/** So long after the end of a fault that lasts no time a pod must have met it. */
const MET_MS = 400;
export const TIMEOUT_MS = 50;

export async function measure(stage: Stage, { name, begin, lastsMs, end, alone }: Fault): Promise<Measured> {
  const watch = watchPods(stage);
  const beganAt = clock();
  await begin();
  const inForceAt = clock();
  await pause(lastsMs);
  await watch.until(() => watch.alone.size >= { all: stage.pods.length, one: 1, none: 0 }[alone], `${name}: it is met`);
  const endsAt = clock();
  await end?.();
  const overAt = end === undefined ? beganAt : clock();
  await pause(MET_MS);
  await watch.until(() => !watch.now, `${name}: Redis decides again`);
  watch.stop();
  const recoveredAt = watch.alone.size === 0 ? overAt : Math.max(overAt, watch.lastAt);
  const heldAgainAt = recoveredAt + INTERVALS.beatMs;
  await pause(heldAgainAt + MINUTE_MS - clock());
  const doneAt = clock();

  const answers = stage.answers().filter(({ sentAt }) => sentAt >= beganAt && sentAt < doneAt);
  const held = answers.map(({ headers }) => Number(headers['x-spillway-overhead-ms']));
  const calls = stage.simulator.log.filter(({ model }) => model in LIMITS);
  const near = calls.filter(({ at }) => at >= beganAt - MINUTE_MS);
  const spanMs = Math.min(MINUTE_MS, guaranteedMs(SHAPE, near));
  return {
    name,
    requests: answers.length,
    errors: failed(answers),
    held: held.filter((ms) => ms >= TIMEOUT_MS).length,
    longestHeldMs: Math.max(...held),
    use: lastsMs < MINUTE_MS ? null : used(calls, inForceAt, endsAt),
    fullest: fullest(near, spanMs),
    fullestAfter: fullest(calls.filter(({ at }) => at >= heldAgainAt), spanMs),
    spanMs,
    recoveredMs: watch.alone.size === 0 ? null : recoveredAt - overAt,
    apartMs: apart(stage, overAt, recoveredAt),
    lost: changes(stage, beganAt).flatMap(({ change }) => (change.kind === 'degraded' ? (change.error ?? []) : [])),
    lostAgain: changes(stage, recoveredAt + 1).some(({ change }) => change.kind === 'degraded'),
  };
}

interface Change {
  readonly kind: 'degraded' | 'still_away' | 'recovered';
  readonly error?: string;
}

function changes({ pods }: Stage, since: number): { readonly at: number; readonly change: Change }[] {
  const lines = pods.flatMap((pod) => pod.logs().filter(({ msg }) => msg === 'redis'));
  const all = lines.map(({ time, redis }) => ({ at: Date.parse(String(time)), change: redis as Change }));
  // The log has whole milliseconds.
  return all.filter(({ at }) => at >= since - 1);
}

function apart(stage: Stage, from: number, to: number): number {
  const times = changes(stage, from).filter(({ at, change }) => at <= to && change.kind === 'recovered').map(({ at }) => at);
  return times.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
}

function failed(answers: readonly Answer[]): string[] {
  const isStream = ({ headers }: Answer) => String(headers['content-type']).startsWith('text/event-stream');
  const cut = answers.filter((answer) => answer.status === 200 && isStream(answer) && !answer.text.includes('data: [DONE]'));
  return [...failures(answers), ...cut.map(({ text }) => `cut: ${text.slice(-200)}`)];
}

/** Who decides alone, now and since the beginning. */
function watchPods({ pods }: Stage) {
  const stopping = new AbortController();
  const watching = { alone: new Set<string>(), now: false, lastAt: 0, until, stop: () => stopping.abort() };
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      const found = await Promise.all(pods.map(async ({ admin }) => ((await statusOf(admin)).redis.degraded ? admin : undefined)));
      const alone = found.filter((admin) => admin !== undefined);
      for (const admin of alone) watching.alone.add(admin);
      watching.now = alone.length > 0;
      if (watching.now) watching.lastAt = clock();
      await pause(LOOK_MS);
    }
  })();
  async function until(holds: () => boolean, what: string): Promise<void> {
    const latest = clock() + AT_MOST_MS;
    while (!holds()) {
      if (clock() > latest) throw new Error(`not within ${AT_MOST_MS} ms: ${what}`);
      await Promise.race([pause(LOOK_MS), looking]);
    }
  }
  return watching;
}

const of = (calls: readonly SimCall[], name: Limited) => calls.filter(({ model }) => model === name);

function fullest(calls: readonly SimCall[], spanMs: number): Fullest {
  return {
    requests: worstWindow(arrivals(of(calls, 'requests')), spanMs).calls / LIMITS.requests,
    tokens: worstWindow(arrivals(of(calls, 'tokens')), spanMs).tokens / LIMITS.tokens,
    concurrency: mostAtOnce(of(calls, 'concurrency')) / LIMITS.concurrency,
  };
}

function mostAtOnce(calls: readonly SimCall[]): number {
  const changes = calls.flatMap(({ at, endedAt }) => [[at, 1] as const, [endedAt || Infinity, -1] as const]);
  let now = 0;
  let most = 0;
  for (const [, change] of changes.sort((a, b) => a[0] - b[0] || a[1] - b[1])) most = Math.max(most, (now += change));
  return most;
}

function used(calls: readonly SimCall[], from: number, to: number): number {
  return of(calls, 'requests').filter(({ at }) => at >= from && at < to).length / ((LIMITS.requests * (to - from)) / (SHAPE.steps * SHAPE.stepMs));
}
