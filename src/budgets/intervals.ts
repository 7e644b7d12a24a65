/** How often, and how long, the engine in Redis does what. Tests make them short. */

export interface Intervals {
  /** Also how long a change of the fleet may take to be seen by all. */
  readonly beatMs: number;
  /** A slot, and a reservation, without a beat is given back after this. */
  readonly leaseMs: number;
  /** A pod without a beat is no longer counted after this. */
  readonly podMs: number;
  /** An orphan is remembered this long for a late settle. */
  readonly recordMs: number;
  /** After a failure Redis is left alone for this long, then probed. */
  readonly retryMs: number;
}

export const INTERVALS: Intervals = {
  beatMs: 1_000,
  leaseMs: 30_000,
  podMs: 15_000,
  recordMs: 900_000,
  retryMs: 500,
};
