/** The models on offer and what is left of their limits. */
import { createMeter, type Meter } from './limits.ts';
import type { SimModel } from './types.ts';

export type LiveModel = Required<Omit<SimModel, 'requestsPerMinute' | 'tokensPerMinute' | 'contextWindow'>> & {
  contextWindow: number;
  requests: Meter | undefined;
  tokens: Meter | undefined;
};

export type Admission =
  | { admitted: true }
  | { admitted: false; short: 'requests' | 'tokens'; limit: number; used: number; requested: number; waitMs: number };

export type ModelTable = {
  find(name: string): LiveModel | undefined;
  list(): LiveModel[];
  refill(): void;
};

export function createModels(offered: SimModel[] | 'any'): ModelTable {
  const byName = new Map<string, LiveModel>();
  const add = (model: SimModel): LiveModel => {
    const live = enliven(model);
    byName.set(live.name, live);
    // The dated snapshot is a second name of the same model.
    byName.set(live.datedName, live);
    return live;
  };
  const fill = (): void => {
    byName.clear();
    if (offered !== 'any') for (const model of offered) add(model);
  };
  fill();
  return {
    find: (name) => byName.get(name) ?? (offered === 'any' ? add({ name }) : undefined),
    list: () => [...new Set(byName.values())],
    refill: fill,
  };
}

/** Both limits or neither: a call that one refuses takes nothing of the other. */
export function admit(model: LiveModel, now: number, tokens: number): Admission {
  const waits = [
    { short: 'requests', meter: model.requests, requested: 1 },
    { short: 'tokens', meter: model.tokens, requested: tokens },
  ] as const;
  for (const { short, meter, requested } of waits) {
    const waitMs = meter?.waitMs(now, requested) ?? 0;
    if (meter === undefined || waitMs === 0) continue;
    const used = Math.ceil(meter.limit - meter.remaining(now) - 1e-6);
    return { admitted: false, short, limit: meter.limit, used, requested, waitMs };
  }
  model.requests?.take(now, 1);
  model.tokens?.take(now, tokens);
  return { admitted: true };
}

function enliven(model: SimModel): LiveModel {
  const windowMs = model.windowMs ?? 60_000;
  const phaseMs = model.phaseMs ?? 0;
  const limiter = model.limiter ?? 'token-bucket';
  const meter = (limit: number | undefined): Meter | undefined =>
    limit === undefined ? undefined : createMeter(limiter, { limit, windowMs, phaseMs });
  return {
    name: model.name,
    datedName: model.datedName ?? (/-\d{4}-\d\d-\d\d$/.test(model.name) ? model.name : `${model.name}-2025-08-07`),
    windowMs,
    phaseMs,
    limiter,
    contextWindow: model.contextWindow ?? Infinity,
    answerTokens: model.answerTokens ?? 20,
    firstTokenMs: model.firstTokenMs ?? 0,
    tokensPerSecond: model.tokensPerSecond ?? 0,
    requests: meter(model.requestsPerMinute),
    tokens: meter(model.tokensPerMinute),
  };
}
