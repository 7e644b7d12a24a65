/**
 * All time-outs of all requests on one timer: arming and re-arming is one assignment, which a stream does for each chunk.
 * A deadline is met at most one tick late.
 */
export interface Deadline {
  /** On the timer's clock, in ms; Infinity while nothing is waited for. */
  at: number;
  /** The timer's own: where it stands in its list. -1 before it is added and after it is removed. */
  place: number;
  readonly expire: () => void;
}

export class CoarseTimer {
  /**
   * Not a Set: V8 links each table that a Set outgrew to the next one, and an old dead table then keeps every request that
   * ever stood in a later one alive until a full collection (measured: a third of the CPU of a request).
   */
  private readonly deadlines: Deadline[] = [];
  private handle: ReturnType<typeof setInterval> | undefined;
  private readonly tickMs: number;
  readonly now: () => number;

  /** @param now a monotonic clock in ms */
  constructor(now: () => number, tickMs = 25) {
    this.now = now;
    this.tickMs = tickMs;
  }

  add(deadline: Deadline): void {
    if (deadline.place >= 0) return;
    deadline.place = this.deadlines.push(deadline) - 1;
    // A time-out keeps no process alive: what it watches over has sockets that do.
    this.handle ??= setInterval(() => this.tick(), this.tickMs).unref();
  }

  remove(deadline: Deadline): void {
    const { place } = deadline;
    if (place < 0) return;
    deadline.place = -1;
    const last = this.deadlines.pop()!;
    if (last === deadline) return;
    this.deadlines[place] = last;
    last.place = place;
  }

  /** Expires what is due, and rests when nothing is waited for. Tests call it with a clock of their own. */
  tick(): void {
    if (this.deadlines.length === 0) {
      clearInterval(this.handle);
      this.handle = undefined;
    }
    const now = this.now();
    // Expiring may remove, and add: what is due is found first.
    for (const deadline of this.deadlines.filter(({ at }) => at <= now)) {
      if (deadline.place < 0 || deadline.at > now) continue;
      deadline.at = Infinity;
      deadline.expire();
    }
  }
}
