/** Clock, timers and chance, given to whoever needs them, so that tests can hold them. */
import { after } from '../wire/after.ts';

export interface Time {
  /** Milliseconds that only grow. */
  now(): number;
  /** 0 <= x < 1 */
  random(): number;
  /** Runs once, later; answers how to call it off. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void;
}

export const realTime: Time = {
  now: () => performance.now(),
  random: () => Math.random(),
  after,
};
