/** The last calls, oldest first, and what can be read out of them. */
import type { ModelStats, SimCall, SimStats } from './types.ts';
import { worstWindow } from './worst-window.ts';

export type CallLog = {
  readonly calls: SimCall[];
  push(call: SimCall): void;
  clear(): void;
  stats(): SimStats;
};

export function createCallLog(size: number): CallLog {
  const calls: SimCall[] = [];
  // Old calls go in batches: moving the whole array for each new call would cost more than the call.
  const slack = Math.max(1, Math.floor(size / 10));
  return {
    calls,
    push(call) {
      calls.push(call);
      if (calls.length >= size + slack) calls.splice(0, calls.length - size);
    },
    clear() {
      calls.length = 0;
    },
    stats: () => summarise(calls),
  };
}

function summarise(calls: readonly SimCall[]): SimStats {
  const byModel = new Map<string, SimCall[]>();
  for (const call of calls) {
    if (call.model === '') continue;
    const same = byModel.get(call.model);
    if (same === undefined) byModel.set(call.model, [call]);
    else same.push(call);
  }
  return { calls: calls.length, models: Object.fromEntries([...byModel].map(([name, own]) => [name, statsOf(own)])) };
}

function statsOf(calls: SimCall[]): ModelStats {
  const admitted = calls.filter((call) => call.admitted);
  const outcomes: Record<string, number> = {};
  let promptTokens = 0;
  let completionTokens = 0;
  for (const call of calls) {
    outcomes[call.outcome] = (outcomes[call.outcome] ?? 0) + 1;
    completionTokens += call.completionTokens;
    if (call.admitted) promptTokens += call.promptTokens;
  }
  return {
    calls: calls.length,
    admitted: admitted.length,
    rejected429: calls.filter((call) => call.status === 429 && !call.admitted).length,
    promptTokens,
    completionTokens,
    outcomes,
    worstWindow: (windowMs, of = 'arrived') => worstWindow(of === 'arrived' ? calls : admitted, windowMs),
  };
}
