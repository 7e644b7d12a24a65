/**
 * The decisions of one turn, framed by rate-limiter-flexible: `consume` asks Redis, and what is no decision (Redis is away,
 * late, or was emptied) goes to the insurance, this pod's own share. Its own script and window are not used
 * (docs/decisions/0003).
 */
import { RateLimiterCompatibleAbstract, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Question } from './collector.ts';
import type { RedisClient } from './commands.ts';
import type { Decision } from './types.ts';

export interface LimiterOptions {
  readonly client: RedisClient;
  /** Gives the questions their decisions; rejects if Redis left one without. */
  readonly ask: (questions: readonly Question[]) => Promise<void>;
  readonly alone: (question: Question) => Decision;
}

/** The library wants a key; nothing is counted under it. */
const KEY = 'turn';

export class ChainLimiter extends RateLimiterRedis {
  readonly #ask: LimiterOptions['ask'];

  constructor({ client, ask, alone }: LimiterOptions) {
    super({ storeClient: client, keyPrefix: '', points: 1, duration: 1, insuranceLimiter: new ShareLimiter(alone) });
    this.#ask = ask;
  }

  /** Then each of them has its decision. */
  decide(questions: readonly Question[]): Promise<unknown> {
    return this.consume(KEY, 1, questions);
  }

  /** Undeclared in the library's types, and where its subclasses talk to their store: pinned, and held by a test. */
  _upsert(_key: string, _points: number, _ms: number, _force: boolean, questions: object): Promise<void> {
    return this.#ask(questions as readonly Question[]);
  }

  _getRateLimiterRes(): RateLimiterRes {
    return onePoint();
  }
}

/** What insures the decisions: it always has one. */
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

  override async consume(_key: string | number, _points?: number, questions?: object): Promise<RateLimiterRes> {
    for (const question of questions as readonly Question[]) question.decision ??= this.#alone(question);
    return onePoint();
  }
}

/** One point of one: no refusal to the library. Whether a request is refused stands in its decision. */
function onePoint(): RateLimiterRes {
  return new RateLimiterRes(0, 0, 1, false);
}
