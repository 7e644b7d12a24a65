/** A request that waits: for room, for a Retry-After, for its next try. It ends early when its caller leaves. */
import type { CoarseTimer, Deadline } from '../wire/coarse-timer.ts';
import type { Exchange, Holder } from './exchange.ts';

/** Ends once, when its time is over or when it is told to. */
export class Pause implements Deadline, Holder {
  at: number;
  place = -1;
  private readonly timer: CoarseTimer;
  private readonly resolve: () => void;

  constructor(at: number, timer: CoarseTimer, resolve: () => void) {
    this.at = at;
    this.timer = timer;
    this.resolve = resolve;
    timer.add(this);
  }

  expire(): void {
    this.closed();
  }

  closed(): void {
    this.timer.remove(this);
    this.resolve();
  }
}

/** @param ms at least this long, if the caller stays */
export async function pause(ms: number, exchange: Exchange, timer: CoarseTimer): Promise<void> {
  await new Promise<void>((resolve) => {
    exchange.holder = new Pause(timer.now() + ms, timer, resolve);
  });
  exchange.holder = undefined;
}
