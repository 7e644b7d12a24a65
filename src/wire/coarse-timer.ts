/**
 * All time-outs of all requests on one timer: arming and re-arming is one assignment, which a stream does for each chunk.
 * A deadline is met at most one tick late.
 */
export interface Deadline {
  /** On the timer's clock, in ms; Infinity while nothing is waited for. */
  at: number;
  readonly expire: () => void;
}

export class CoarseTimer {
  private readonly deadlines = new Set<Deadline>();
  private handle: ReturnType<typeof setInterval> | undefined;
  private readonly tickMs: number;
  readonly now: () => number;

  /** @param now a monotonic clock in ms */
  constructor(now: () => number, tickMs = 25) {
    this.now = now;
    this.tickMs = tickMs;
  }

  add(deadline: Deadline): void {
    this.deadlines.add(deadline);
    // A time-out keeps no process alive: what it watches over has sockets that do.
    this.handle ??= setInterval(() => this.tick(), this.tickMs).unref();
  }

  remove(deadline: Deadline): void {
    this.deadlines.delete(deadline);
  }

  /** Expires what is due, and rests when nothing is waited for. Tests call it with a clock of their own. */
  tick(): void {
    if (this.deadlines.size === 0) {
      clearInterval(this.handle);
      this.handle = undefined;
    }
    const now = this.now();
    for (const deadline of this.deadlines) {
      if (deadline.at > now) continue;
      deadline.at = Infinity;
      deadline.expire();
    }
  }
}
