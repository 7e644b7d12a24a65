/** One fault of the catalogue: what is set, what strikes, what must come of it; and how that is looked at from every side. */
import { expect } from '@jest/globals';
import type { FaultSpec } from '../../../src/simulator/server.ts';
import { later, type Stack, type Upstream } from '../../support/stack.ts';
import { askHi, header, startFailover, take, WORDS, type FailoverOptions, type Got } from './support.ts';

export type Mode = 'JSON' | 'stream';

export interface Wanted {
  readonly how: Got['how'];
  /** Which model's name the headers carry; the default of a refusal is none. */
  readonly from?: string;
  readonly reason?: string;
  /** Of the error that the client throws. */
  readonly status?: number;
  readonly code?: string;
  readonly error?: string;
  /** Upstream calls by model; who is not named was not called. */
  readonly calls: Readonly<Record<string, number>>;
  /** In the header, if it was sent before the last call. */
  readonly attempts?: number;
  /** Seconds. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Row {
  readonly fault: string;
  /** What is not the default, as the table says it. */
  readonly set?: string;
  readonly modes: readonly Mode[];
  readonly options?: FailoverOptions;
  /** Models that are written by hand. */
  readonly upstreams?: () => Promise<Readonly<Record<string, Upstream>>>;
  readonly faults?: readonly FaultSpec[];
  readonly wanted: Wanted;
  /** What the next requests must see. @returns a line for the table */
  readonly next?: (stack: Stack, seen: () => Readonly<Record<string, number>>) => Promise<string>;
}

export interface Line {
  readonly row: Row;
  readonly got: readonly Got[];
  readonly calls: Readonly<Record<string, number>>;
  readonly next: string;
}

export const TEXT = WORDS.join('');
/** A while for a busy machine, in seconds. */
const SLACK = 1.2;

export async function play(row: Row): Promise<Line> {
  const all = await Promise.all(row.modes.map((mode) => playIn(row, mode)));
  return { row, got: all.map(({ got }) => got), calls: all[0]!.calls, next: all[0]!.next };
}

async function playIn(row: Row, mode: Mode): Promise<{ got: Got; calls: Readonly<Record<string, number>>; next: string }> {
  const { options = {}, wanted } = row;
  const upstreams = (await row.upstreams?.()) ?? {};
  const byHand = Object.fromEntries(Object.entries(upstreams).map(([name, { baseUrl }]) => [name, { baseUrl }]));
  const stack = await startFailover({ ...options, models: { ...options.models, ...byHand } });
  for (const fault of row.faults ?? []) stack.sim.faults.add(fault);
  const seen = (): Record<string, number> => {
    const calls: Record<string, number> = {};
    for (const { model } of stack.sim.log) calls[model.replace('sim-', '')] = (calls[model.replace('sim-', '')] ?? 0) + 1;
    for (const [name, upstream] of Object.entries(upstreams)) if (upstream.seen.length > 0) calls[name] = upstream.seen.length;
    return calls;
  };
  const got = await take(stack.client, askHi(`echo: ${TEXT}`), mode === 'stream');
  const calls = seen();
  expect({ mode, ...shown(got) }).toEqual({ mode, ...expected(wanted) });
  if (got.how === 'whole') expect(got).toMatchObject({ text: TEXT, finish: 'stop', usage: { output: 60 } });
  if (got.how === 'broken') {
    expect(got.finish ?? null).toBeNull();
    expect(TEXT.startsWith(got.text) && got.text.length < TEXT.length).toBe(true);
  }
  expect({ mode, calls }).toEqual({ mode, calls: wanted.calls });
  const { atLeast = 0, atMost = atLeast + SLACK } = wanted;
  expect(got.ms / 1000).toBeGreaterThanOrEqual(atLeast);
  expect(got.ms / 1000).toBeLessThanOrEqual(atMost + SLACK);
  await stack.atRest();
  await accounted(stack, got, wanted, Object.keys(upstreams));
  return { got, calls, next: (await row.next?.(stack, seen)) ?? '' };
}

function shown(got: Got): object {
  const { how, status, error, code } = got;
  return { how, from: header(got, 'model'), reason: header(got, 'reason'), attempts: Number(header(got, 'attempts')), status, error, code };
}

function expected({ how, from, reason, status, error, code, calls, attempts }: Wanted): object {
  const made = Object.values(calls).reduce((sum, one) => sum + one, 0);
  return { how, from: from ?? null, reason: reason ?? null, attempts: attempts ?? made, status: status ?? 200, error, code };
}

/** Metrics, budgets and the status page all tell the same. */
async function accounted(stack: Stack, got: Got, { calls, how, from }: Wanted, byHand: readonly string[]): Promise<void> {
  const made = Object.values(calls).reduce((sum, one) => sum + one, 0);
  const outcome = { whole: 'ok', broken: 'broken', refused: from === undefined ? 'refused' : 'client_error' }[how];
  expect({
    requests: await stack.metric('spillway_requests_total'),
    [outcome]: await stack.metric('spillway_requests_total', { outcome }),
    attempts: await stack.metric('spillway_attempts_total'),
  }).toEqual({ requests: 1, [outcome]: 1, attempts: made });
  for (const [model, count] of Object.entries(calls)) {
    expect({ model, requests: await stack.used(model, 'requests') }).toEqual({ model, requests: count });
    if (byHand.includes(model)) continue;
    const its = stack.sim.log.filter((call) => call.model === `sim-${model}`);
    const complete = its.filter((call) => ['complete', 'noDone'].includes(call.outcome));
    const sums = { input: sum(complete, 'promptTokens'), output: sum(complete, 'completionTokens') };
    const told = { input: await stack.metric('spillway_tokens_total', { model, direction: 'input' }), output: await stack.metric('spillway_tokens_total', { model, direction: 'output' }) };
    expect({ model, ...told }).toEqual({ model, ...sums });
    const used = await stack.used(model, 'tokens');
    if (complete.length === its.length) expect(used).toBe(sums.input + sums.output);
    else if (its.every(({ status }) => status >= 400 && status < 500)) expect(used).toBe(0);
    else expect(used).toBeGreaterThanOrEqual(sums.input + sums.output + (sum(its, 'completionTokens') - sums.output > 0 ? 1 : 0));
  }
  const primary = 'primary';
  const diverted = how === 'whole' && from !== undefined && from !== primary;
  const { lastDiversion } = (await stack.status()).groups['chat']!;
  if (diverted) expect(lastDiversion).toMatchObject({ from: primary, to: from, reason: header(got, 'reason') });
}

function sum(calls: Stack['sim']['log'], of: 'promptTokens' | 'completionTokens'): number {
  return calls.reduce((total, call) => total + call[of], 0);
}

/** Requests at even intervals until a time after now. @returns which models served them */
export async function during(stack: Stack, ms: number, count: number): Promise<(string | null)[]> {
  const from = performance.now();
  const served: (string | null)[] = [];
  for (let i = 1; i <= count; i++) {
    await later(Math.max(0, from + (ms * i) / count - performance.now()));
    served.push(header(await take(stack.client, askHi(), i % 2 === 0), 'model'));
  }
  return served;
}
