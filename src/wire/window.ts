/**
 * The budgets' window: a ring of sub-buckets of which the current one and `steps` older ones count.
 * Two admissions at most `steps` x `stepMs` apart are therefore always counted together (limiter.md 4.3).
 */

export interface WindowShape {
  /** Length of one sub-bucket in ms. */
  readonly stepMs: number;
  /** Sub-buckets before the current one that still count: the window is `steps` x `stepMs` long at least. */
  readonly steps: number;
}

/** Why a little longer than the providers' minute: docs/decisions/0002-window-slack.md. */
export const WINDOW = {
  /** The providers' minute. */
  lengthMs: 60_000,
  /** What is counted beyond it. */
  slackMs: 1_000,
  /** A request that is not on the socket this long after its reserve call was sent must reserve again. */
  maxAgeMs: 500,
  stepMs: 1_000,
} as const;

/** The shape used in production. */
export function window(): WindowShape {
  return { stepMs: WINDOW.stepMs, steps: (WINDOW.lengthMs + WINDOW.slackMs) / WINDOW.stepMs };
}

/** Sub-buckets that a ring keeps. */
export function ringSize(shape: WindowShape): number {
  return shape.steps + 1;
}

/** The sub-bucket of a moment. */
export function indexAt(shape: WindowShape, now: number): number {
  return Math.floor(now / shape.stepMs);
}

/** The first moment at which a sub-bucket no longer counts. */
export function leavesAt(shape: WindowShape, index: number): number {
  return (index + shape.steps + 1) * shape.stepMs;
}
