/**
 * One decision over a whole chain, framed by rate-limiter-flexible: `consume` asks Redis, and what is no decision (Redis is
 * away, late, or was emptied) goes to the insurance, this pod's own share. Its own script and window are not used
 * (docs/decisions/0003).
 */
import { RateLimiterCompatibleAbstract, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RedisClient } from './commands.ts';
import type { Candidate, Decision, ReserveOptions } from './types.ts';

export interface Question {
  readonly candidates: readonly Candidate[];
  readonly options: ReserveOptions;
}

export interface LimiterOptions {
  readonly client: RedisClient;
  /** Rejects when Redis does not decide. */
  readonly ask: (id: string, question: Question) => Promise<Decision>;
  readonly alone: (id: string, question: Question) => Decision;
}

class Decided extends RateLimiterRes {
  readonly decision: Decision;

  /** The library takes more than one point of one as a refusal. */
  constructor(decision: Decision) {
    const isRefused = decision.chosen < 0;
    super(isRefused ? 0 : 1, 0, isRefused ? 2 : 1, false);
    this.decision = decision;
  }
}

export class ChainLimiter extends RateLimiterRedis {
  readonly #ask: LimiterOptions['ask'];

  constructor({ client, ask, alone }: LimiterOptions) {
    super({ storeClient: client, keyPrefix: '', points: 1, duration: 1, insuranceLimiter: new ShareLimiter(alone) });
    this.#ask = ask;
  }

  /** Never rejects. */
  async decide(id: string, question: Question): Promise<Decision> {
    try {
      return ((await this.consume(id, 1, question as object)) as Decided).decision;
    } catch (refused) {
      if (refused instanceof Decided) return refused.decision;
      throw refused;
    }
  }

  /** Undeclared in the library's types, and where its subclasses talk to their store: pinned, and held by a test. */
  _upsert(id: string, _points: number, _ms: number, _force: boolean, question: object): Promise<Decision> {
    return this.#ask(id, question as Question);
  }

  _getRateLimiterRes(_key: string, _points: number, decision: Decision): RateLimiterRes {
    return new Decided(decision);
  }
}

/** What insures the decision: it always has one. */
class ShareLimiter extends RateLimiterCompatibleAbstract {
  // Asked for and set by the library; of no use here.
  override readonly keyPrefix = '';
  override blockDuration = 0;
  override execEvenly = false;
  readonly #alone: LimiterOptions['alone'];

  constructor(alone: LimiterOptions['alone']) {
    super();
    this.#alone = alone;
  }

  override consume(id: string | number, _points?: number, question?: object): Promise<RateLimiterRes> {
    return Promise.resolve(new Decided(this.#alone(String(id), question as Question)));
  }
}
