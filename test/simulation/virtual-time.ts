/** A clock that jumps from event to event, so that hours of traffic take a second and every run can be repeated. */

interface Event {
  readonly at: number;
  readonly order: number;
  readonly act: () => unknown;
}

export class VirtualTime {
  now: number;
  readonly #heap: Event[] = [];
  #count = 0;

  constructor(start: number) {
    this.now = start;
  }

  after(ms: number, act: () => unknown): void {
    const event = { at: this.now + ms, order: (this.#count += 1), act };
    const heap = this.#heap;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = event;
  }

  /** An event that is a promise is waited for: the clock stands meanwhile. Events behind `until` stay undone. */
  async run(until: number): Promise<void> {
    for (let event = this.#heap[0]; event !== undefined && event.at <= until; event = this.#heap[0]) {
      this.#removeFirst();
      this.now = event.at;
      const done = event.act();
      if (done instanceof Promise) await done;
    }
    this.now = until;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
  }
}

/** Of one moment, the one that was asked for first. */
function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
