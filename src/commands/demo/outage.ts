/** Part way the primary of one group fails for some seconds. */
import type { Simulator } from '../../simulator/server.ts';
import { PROD } from './scene.ts';
import type { Story } from './story.ts';

export interface Outage {
  readonly fromMs: number;
  readonly toMs: number;
}

const FROM_MS = 4_000;
const LONG_MS = 4_000;

const OVERLOADED = JSON.stringify({ error: { message: 'The engine is currently overloaded, please try again later', type: 'overloaded_error', param: null, code: null } });

/** While the primary still has budget: a model that is not asked cannot fail. */
export function outageOf(durationMs: number): Outage {
  const fromMs = Math.min(FROM_MS, durationMs * 0.06);
  return { fromMs, toMs: fromMs + Math.min(LONG_MS, durationMs * 0.06) };
}

/** So many failures open the breaker (scene.ts): on a busy machine they may come later than planned, and must be seen. */
const FAILURES = 3;

/** @returns a function to be called again and again with the time since the start */
export function stageOutage({ fromMs, toMs }: Outage, { faults, log }: Simulator, story: Story): (at: number) => void {
  const failures = (): number => log.filter(({ model, status }) => model === PROD.primary && status === 503).length;
  let state: 'before' | 'during' | 'after' = 'before';
  return (at) => {
    if (state === 'before' && at >= fromMs) {
      state = 'during';
      faults.add({ model: PROD.primary, status: 503, body: OVERLOADED, count: Infinity });
      story.tell(at, `now the provider of ${PROD.primary} is made to fail: each call gets a 503`, 'bold');
    } else if (state === 'during' && at >= toMs && failures() >= FAILURES) {
      state = 'after';
      faults.clear();
      story.tell(at, `the provider of ${PROD.primary} is well again`, 'bold');
    }
  };
}
