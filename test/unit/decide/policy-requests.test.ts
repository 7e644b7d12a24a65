/**
 * Whole requests against random plans, failures and policies: a virtual clock drives the rules as the gateway does. What
 * must hold is asserted along the way; a failure names its seed.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stepAfter } from '../../../src/decide/policy.ts';
import { stepWhenNothingOpen, waitForPrimary, type Patience, type Refused } from '../../../src/decide/waits.ts';
import type { Reason } from '../../../src/wire/reasons.ts';

/** How a model answers one call. */
interface Call {
  readonly reason: Reason | 'ok' | 'callersOwn';
  readonly tookMs: number;
  readonly retryAfterMs: number | undefined;
  readonly silent: boolean;
}

/** From `fromMs` on for `forMs` the model has no room; `saidMs` is what is said of the wait, right or wrong. */
interface Closed {
  readonly reason: Reason;
  readonly fromMs: number;
  readonly forMs: number;
  readonly saidMs: number | undefined;
}

interface Model {
  /** In turn, then from the beginning. */
  readonly calls: readonly Call[];
  readonly closed: readonly Closed[];
}

interface World {
  readonly plan: readonly Model[];
  readonly context: readonly Model[];
  readonly content: readonly Model[];
  readonly policy: Patience;
  readonly deadlineMs: number;
  readonly randoms: readonly number[];
}

type Outcome = 'served' | 'callersOwn' | 'refused' | 'late';

class Request {
  readonly asked: Model[] = [];
  readonly left = new Set<Model>();
  readonly outcomes: Outcome[] = [];
  now = 0;
  waitedMs = 0;
  /** Waited for although another model was open. */
  preferredMs = 0;
  /** Models asked again although they were silent, or throttled with another one free to ask. */
  readonly againInVain: string[] = [];
  private readonly world: World;
  private readonly cooldownUntil = new Map<Model, number>();

  constructor(world: World) {
    this.world = world;
  }

  run(): this {
    const { world } = this;
    const { policy, deadlineMs } = world;
    const primary = world.plan[0]!;
    const fallbacks = { context: world.context.length > 0, content: world.content.length > 0 };
    let rest: readonly Model[] = world.plan;
    let retriesHere = 0;
    let current: Model | undefined;
    for (let turn = 0; ; turn++) {
      // A circle would go on for ever: each turn asks a model or waits for a millisecond at least.
      if (turn > policy.maxAttempts + Math.max(policy.wait, policy.retry.honourRetryAfter) + 2) throw new Error('no end');
      const timeLeftMs = deadlineMs - this.now;
      if (timeLeftMs <= 0) throw new Error('no step may lead beyond the deadline');
      if (this.asked.length >= policy.maxAttempts) throw new Error('no step may lead to a call too many');
      if (rest.length === 0) return this.end('refused');
      const refusals = rest.map((model) => this.refusalOf(model));
      const open = refusals.indexOf(undefined);
      if (rest[0] === primary && refusals[0] !== undefined) {
        const forMs = waitForPrimary(refusals[0], this.waitedMs, timeLeftMs, policy);
        if (forMs > 0) {
          if (open >= 0) this.preferredMs += forMs;
          this.wait(forMs);
          continue;
        }
      }
      if (open < 0) {
        const step = stepWhenNothingOpen({ refusals: refusals.map((one) => one!), timeLeftMs, waitedMs: this.waitedMs, attempts: this.asked.length }, policy);
        if (step.do === 'giveUp') return this.end('refused');
        this.wait(step.forMs);
        continue;
      }
      const model = rest[open]!;
      for (const passed of rest.slice(0, open)) this.left.add(passed);
      rest = rest.slice(open);
      if (model !== current) retriesHere = 0;
      current = model;
      const call = this.ask(model, timeLeftMs);
      if (call.reason === 'ok') return this.end('served');
      const reason = call.reason === 'callersOwn' ? undefined : call.reason;
      const hasNext = rest.length > 1;
      const { retryAfterMs, silent } = call;
      const failed = { reason, retryAfterMs, silent, primary: model === primary, retriesHere, attempts: this.asked.length, timeLeftMs: deadlineMs - this.now, waitedMs: this.waitedMs, hasNext, fallbacks };
      const step = stepAfter(failed, policy, world.randoms[turn % world.randoms.length]!);
      switch (step.do) {
        case 'retry':
        case 'wait':
          if (silent && reason === 'timeout' && retryAfterMs === undefined) this.againInVain.push('silent');
          if (reason === 'rate_limited' && hasNext && policy.wait === 0) this.againInVain.push('throttled');
          if (reason === 'auth' || reason === 'not_found') this.againInVain.push(reason);
          retriesHere++;
          if (step.do === 'retry') this.now += step.afterMs;
          else {
            if (hasNext) this.preferredMs += step.forMs;
            this.wait(step.forMs);
          }
          break;
        case 'next':
          if (!hasNext) throw new Error('there is no next');
          this.left.add(model);
          rest = rest.slice(1);
          break;
        case 'switch':
          for (const passed of rest) this.left.add(passed);
          if (!fallbacks[step.to]) throw new Error('not configured, or used');
          fallbacks[step.to] = false;
          rest = world[step.to].filter((one) => !this.left.has(one));
          break;
        case 'giveUp':
          if (this.now >= deadlineMs) return this.end('late');
          return this.end(reason === undefined ? 'callersOwn' : 'refused');
      }
    }
  }

  private ask(model: Model, timeLeftMs: number): Call {
    if (this.left.has(model)) throw new Error('asked again after it was left');
    const call = model.calls[this.asked.filter((one) => one === model).length % model.calls.length]!;
    this.asked.push(model);
    this.now += Math.min(call.tookMs, timeLeftMs);
    if (call.reason === 'rate_limited' && call.retryAfterMs !== undefined) this.cooldownUntil.set(model, this.now + call.retryAfterMs);
    return call;
  }

  private refusalOf(model: Model): Refused | undefined {
    const cooldownMs = (this.cooldownUntil.get(model) ?? 0) - this.now;
    if (cooldownMs > 0) return { reason: 'cooldown', waitMs: cooldownMs };
    const closed = model.closed.find(({ fromMs, forMs }) => this.now >= fromMs && this.now < fromMs + forMs);
    return closed && { reason: closed.reason, waitMs: closed.saidMs };
  }

  private wait(forMs: number): void {
    this.waitedMs += forMs;
    this.now += forMs;
  }

  private end(outcome: Outcome): this {
    this.outcomes.push(outcome);
    return this;
  }
}

const ms = (max: number) => fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max }), fc.double({ min: 0, max, noNaN: true }));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const call: fc.Arbitrary<Call> = fc.record({
  reason: fc.constantFrom('ok', 'callersOwn', 'rate_limited', 'rate_limited', 'quota_exhausted', 'overloaded', 'server_error', 'timeout', 'connection', 'malformed_response', 'auth', 'not_found', 'context_window', 'content_policy', 'untranslatable'),
  tookMs: ms(40_000),
  retryAfterMs: maybe(ms(30_000)),
  silent: fc.boolean(),
});
const closed: fc.Arbitrary<Closed> = fc.record({
  reason: fc.constantFrom('budget_requests', 'budget_tokens', 'budget_concurrency', 'budget_cost', 'app_budget', 'cooldown', 'circuit_open'),
  fromMs: ms(20_000),
  forMs: ms(30_000),
  saidMs: maybe(fc.oneof(ms(30_000), fc.constant(-1))),
});
const model: fc.Arbitrary<Model> = fc.record({ calls: fc.array(call, { minLength: 1, maxLength: 4 }), closed: fc.array(closed, { maxLength: 3 }) });
const policy: fc.Arbitrary<Patience> = fc.record({
  retry: fc.record({ attempts: fc.nat(5), backoff: fc.nat(2000), maxBackoff: fc.nat(9000), honourRetryAfter: fc.nat(20_000) }),
  maxAttempts: fc.integer({ min: 1, max: 12 }),
  wait: fc.oneof(fc.constant(0), fc.nat(20_000)),
});
const world: fc.Arbitrary<World> = fc
  .record({
    models: fc.array(model, { minLength: 1, maxLength: 6 }),
    planned: fc.integer({ min: 1, max: 4 }),
    special: fc.tuple(fc.nat(7), fc.nat(7)),
    policy,
    deadlineMs: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 600_000 })),
    randoms: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1, maxLength: 5 }),
  })
  // The special fallbacks may name models of the plan, too.
  .map(({ models, planned, special: [context, content], policy: rules, deadlineMs, randoms }) => ({
    plan: models.slice(0, planned),
    context: models.slice(context),
    content: models.slice(content),
    policy: rules,
    deadlineMs,
    randoms,
  }));

const runs = (check: (request: Request, world: World) => void): void => {
  fc.assert(fc.property(world, (given) => check(new Request(given).run(), given)), { numRuns: 2000 });
};

describe('every request', () => {
  test('ends in exactly one outcome, and leaves each model for good', () => {
    const seen = new Set<Outcome>();
    runs(({ outcomes, asked }) => {
      expect(outcomes).toHaveLength(1);
      seen.add(outcomes[0]!);
      const turns = asked.filter((one, index) => one !== asked[index - 1]);
      expect(new Set(turns).size).toBe(turns.length);
    });
    expect([...seen].toSorted()).toEqual(['callersOwn', 'late', 'refused', 'served']);
  });

  test('keeps to maxAttempts and to its deadline', () => {
    let most = 0;
    runs(({ asked, now }, { policy: { maxAttempts }, deadlineMs }) => {
      expect(asked.length).toBeLessThanOrEqual(maxAttempts);
      expect(now).toBeLessThanOrEqual(deadlineMs);
      most = Math.max(most, asked.length);
    });
    expect(most).toBeGreaterThan(5);
  });

  test('waits for no longer than it may', () => {
    let some = 0;
    runs(({ waitedMs, preferredMs }, { policy: { wait, retry } }) => {
      expect(waitedMs).toBeLessThanOrEqual(Math.max(wait, retry.honourRetryAfter));
      expect(preferredMs).toBeLessThanOrEqual(wait);
      if (waitedMs > 0) some++;
    });
    expect(some).toBeGreaterThan(100);
  });

  test('asks no model again in vain', () => {
    runs(({ againInVain }) => expect(againInVain).toEqual([]));
  });
});

describe('the same driver, by hand', () => {
  const POLICY: Patience = { retry: { attempts: 1, backoff: 250, maxBackoff: 8000, honourRetryAfter: 10_000 }, maxAttempts: 6, wait: 0 };
  const answer = (reason: Call['reason'], retryAfterMs?: number): Call => ({ reason, tookMs: 100, retryAfterMs, silent: false });
  const once = (reason: Reason, retryAfterMs?: number): Model => ({ calls: [answer(reason, retryAfterMs), answer('ok')], closed: [] });
  const always = (reason: Call['reason'], retryAfterMs?: number): Model => ({ calls: [answer(reason, retryAfterMs)], closed: [] });
  const run = (plan: Model[], changes: Partial<Patience> = {}) => {
    const request = new Request({ plan, context: [], content: [], policy: { ...POLICY, ...changes }, deadlineMs: 600_000, randoms: [0.5] }).run();
    return { by: request.asked.map((one) => plan.indexOf(one)), ms: request.now, outcome: request.outcomes[0] };
  };

  test.each<[string, Model[], Partial<Patience>, object]>([
    ['once throttled: diverted at once', [once('rate_limited', 2000), always('ok')], {}, { by: [0, 1], ms: 200, outcome: 'served' }],
    ['the same with `wait`: the primary serves', [once('rate_limited', 2000), always('ok')], { wait: 3000 }, { by: [0, 0], ms: 2200, outcome: 'served' }],
    ['the same alone', [once('rate_limited', 2000)], {}, { by: [0, 0], ms: 2200, outcome: 'served' }],
    ['always throttled, alone', [always('rate_limited', 4000)], {}, { by: [0, 0, 0], ms: 8300, outcome: 'refused' }],
    ['one 500', [once('server_error'), always('ok')], {}, { by: [0, 0], ms: 325, outcome: 'served' }],
    ['always 503', [always('overloaded'), always('ok')], {}, { by: [0, 0, 1], ms: 425, outcome: 'served' }],
    ['no more than six calls', Array.from({ length: 5 }, () => always('server_error')), {}, { by: [0, 0, 1, 1, 2, 2], ms: 975, outcome: 'refused' }],
    ['wrong key', [always('auth'), always('ok')], {}, { by: [0, 1], ms: 200, outcome: 'served' }],
    ['context window', [always('context_window'), always('ok')], {}, { by: [0], ms: 100, outcome: 'refused' }],
    ['the caller’s own', [always('callersOwn'), always('ok')], {}, { by: [0], ms: 100, outcome: 'callersOwn' }],
    ['no room, alone', [{ calls: [answer('ok')], closed: [{ reason: 'budget_requests', fromMs: 0, forMs: 3000, saidMs: 3000 }] }], {}, { by: [0], ms: 3100, outcome: 'served' }],
    ['circuit open, alone', [{ calls: [answer('ok')], closed: [{ reason: 'circuit_open', fromMs: 0, forMs: 3000, saidMs: 3000 }] }], {}, { by: [], ms: 0, outcome: 'refused' }],
  ])('%s', (_, plan, changes, expected) => {
    expect(run(plan, changes)).toEqual(expected);
  });
});
