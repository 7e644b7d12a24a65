/** Timers as the Redis engine needs them, so that tests can hold them. */
import { after } from '../wire/after.ts';

export interface Timers {
  /** Runs once, later; answers how to call it off. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void;
  /** Runs once what is already waiting on the sockets has been read. */
  afterReading(run: () => void): void;
}

export const realTimers: Timers = {
  after,
  afterReading(run) {
    setImmediate(run);
  },
};

/** A timer that fires this much late says that the process, or the whole machine, stood still. */
const LAG_MS = 10;

/**
 * `work`, or a rejection after `ms`. After a pause of this process itself (garbage collection, a long computation) Node
 * runs due timers before it reads sockets: an answer that is already there must win, or our own lag would look like Redis'.
 * And a machine that stood still held up Redis too: it gets its time once more.
 */
export function within<T>(work: Promise<T>, ms: number, timers: Timers, clock: () => number): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const giveUp = () => {
      timers.afterReading(() => {
        reject(new Error(`no answer from Redis within ${ms} ms`));
      });
    };
    const due = clock() + ms;
    let cancel = timers.after(ms, () => {
      if (clock() - due <= LAG_MS) giveUp();
      else cancel = timers.after(ms, giveUp);
    });
    work.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
