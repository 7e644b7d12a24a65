/** The upstream: a log of what arrived, and providers of every kind that say what they would have refused. */
import { createMeter } from '../../src/simulator/limits.ts';
import type { LimiterKind } from '../../src/simulator/types.ts';
import type { Call, Limits } from './scenario.ts';

export interface Arrival extends Call {
  readonly at: number;
  /** When the store admitted it. */
  readonly decidedAt: number;
}

/** One provider's way to count. It does not change the run: what it refuses it does not count, and the call goes on. */
export interface Judge {
  readonly name: string;
  refused: number;
  arrive(call: Call, at: number): void;
}

export interface JudgeOptions {
  readonly name?: string;
  readonly kind: LimiterKind;
  readonly limits: Partial<Limits>;
  readonly windowMs?: number;
  readonly phaseMs?: number;
  /** Tokens of a call: what it uses, or all that it reserved, of which nothing is given back. */
  readonly counts?: 'actual' | 'reserved';
}

export function judge({ name, kind, limits, windowMs = 60_000, phaseMs = 0, counts = 'actual' }: JudgeOptions): Judge {
  const meter = (limit: number | undefined) => limit === undefined ? [] : [createMeter(kind, { limit, windowMs, phaseMs })];
  const requests = meter(limits.requests);
  const tokens = meter(limits.tokens);
  return {
    name: name ?? kind,
    refused: 0,
    arrive(call, at) {
      const amount = call[counts];
      const fits = requests.every((each) => each.waitMs(at, 1) === 0) && tokens.every((each) => each.waitMs(at, amount) === 0);
      if (!fits) {
        this.refused += 1;
        return;
      }
      for (const each of requests) each.take(at, 1);
      for (const each of tokens) each.take(at, amount);
    },
  };
}

/** The kinds that are known of providers; a fixed minute may begin at any second. */
export function minuteJudges(limits: Limits, phaseMs: number): Judge[] {
  return [
    judge({ kind: 'token-bucket', limits }),
    judge({ kind: 'sliding-log', limits }),
    judge({ kind: 'fixed-minute', limits, phaseMs }),
  ];
}
