/** Every counter and histogram of the contract that the road adds to. Gauges are added by whoever knows their value. */
import { CounterFamily, Histogram, type Gauge } from './metrics.ts';

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640];
const OWN_SECONDS = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

/** Callers are named by a header: more than these share one label. */
export const MOST_APPS = 1000;

export class Instruments {
  readonly requests = new CounterFamily('spillway_requests_total', 'Requests answered, by outcome. Per pod: add them up.', ['group', 'model', 'outcome', 'fallback', 'reason']);
  readonly attempts = new CounterFamily('spillway_attempts_total', 'Upstream calls. Per pod: add them up.', ['model', 'outcome', 'reason']);
  readonly fallbacks = new CounterFamily('spillway_fallbacks_total', 'Requests that another model than the primary served. Per pod: add them up.', ['group', 'from', 'to', 'reason']);
  readonly tokens = new CounterFamily('spillway_tokens_total', 'Tokens as upstreams reported them. cache_read and cache_write are inside input, reasoning inside output.', ['model', 'direction']);
  readonly costs = new CounterFamily('spillway_cost_dollars_total', 'What answers cost, by the configured prices. Per pod: add them up.', ['model'], 1e-9);
  readonly wouldDivert = new CounterFamily('spillway_would_divert_total', 'Requests that a budget without room would have diverted, were budgets enforced. Per pod: add them up.', ['group', 'model', 'budget']);
  readonly appRequests = new CounterFamily('spillway_app_requests_total', 'Requests by caller (x-spillway-app).', ['app']);
  readonly duration = new Histogram('spillway_request_duration_seconds', 'From the whole request read to the last byte of its answer.', SECONDS);
  readonly firstToken = new Histogram('spillway_time_to_first_token_seconds', 'From the whole request read to the first content of a stream.', SECONDS);
  readonly overhead = new Histogram('spillway_overhead_seconds', "The sidecar's own time until the answer begins, without waiting for upstreams.", OWN_SECONDS);
  readonly decision = new Histogram('spillway_budget_decision_seconds', 'One decision over the budgets of a whole chain.', OWN_SECONDS);
  readonly gauges: Gauge[] = [];

  app(name: string): string {
    return this.appRequests.size < MOST_APPS || this.appRequests.has(name) ? name : 'other';
  }

  all(): readonly (CounterFamily | Histogram)[] {
    return [this.requests, this.attempts, this.fallbacks, this.tokens, this.costs, this.wouldDivert, this.appRequests, this.duration, this.firstToken, this.overhead, this.decision];
  }
}
