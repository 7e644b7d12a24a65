/** What a run shows: the fullest minute, and how much of the limits was used. */
import { worstWindow } from '../../src/simulator/worst-window.ts';
import { type WindowShape, WINDOW } from '../../src/wire/window.ts';
import type { Run } from './fleet.ts';
import type { Arrival } from './provider.ts';
import type { Limits } from './scenario.ts';

/** The fullest span of `windowMs` over all arrivals, exactly. */
export function worst(arrivals: readonly Arrival[], windowMs: number = WINDOW.lengthMs): { requests: number; tokens: number } {
  const { calls, tokens } = worstWindow(arrivals.map(({ at, actual }) => ({ at, reservedTokens: actual })), windowMs);
  return { requests: calls, tokens };
}

/** The fullest span, as a share of its limit; of two limits the one that was filled more. */
export function worstShare(arrivals: readonly Arrival[], limits: Limits): number {
  const { requests, tokens } = worst(arrivals);
  return Math.max(requests / limits.requests, tokens / limits.tokens);
}

const BEAT_MS = 1_000;

/** The fullest 60 s of tokens as a share of the limit, were they counted while an answer is produced, evenly. */
export function worstProduced(arrivals: readonly Arrival[], limit: number): number {
  const produced = arrivals.flatMap(({ at, actual, durationMs }) => {
    const beats = Math.ceil(durationMs / BEAT_MS);
    return Array.from({ length: beats }, (_, i) => ({ at: at + (durationMs * (i + 1)) / beats, reservedTokens: actual / beats }));
  });
  return worstWindow(produced, WINDOW.lengthMs).tokens / limit;
}

/** How long a taken amount may be kept from being taken again: the window and the sub-bucket it was taken in. */
export const turnMs = ({ stepMs, steps }: WindowShape): number => (steps + 1) * stepMs;

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Whole turns of the ring: a limit can be used once in each. The first two are left out, they began empty. */
export function wholeTurns(run: Run, shape: WindowShape, lengthMs: number): Span {
  const from = Math.ceil(run.startedAt / shape.stepMs) * shape.stepMs + 2 * turnMs(shape);
  const turns = Math.floor((run.startedAt + lengthMs - from) / turnMs(shape));
  return { from, to: from + turns * turnMs(shape) };
}

/** Requests and tokens that were admitted, per minute, as a share of the limits; the binding one. */
export function use(run: Run, { from, to }: Span, limits: Limits, perMs: number = WINDOW.lengthMs): number {
  const taken = run.arrivals.filter(({ decidedAt }) => decidedAt >= from && decidedAt < to);
  const tokens = taken.reduce((sum, { actual }) => sum + actual, 0);
  const windows = (to - from) / perMs;
  return Math.max(taken.length / limits.requests, tokens / limits.tokens) / windows;
}

/**
 * The use that is promised under backlog, with tokens binding:
 *
 *   (1 - (m-1)/L) x W/T x sum(A) / sum(A + (R - A) x min(D, T)/T)
 *
 * m largest call, L limit, W the provider's minute, T a turn of the ring; R reserved, A used, D time until it is settled.
 * First factor: what is left is too little for the call that waits. Second: what is taken comes back after a turn.
 * Third: until a call is settled it holds what it reserved.
 */
export function predictedUse({ arrivals }: Run, shape: WindowShape, limit: number, windowMs: number = WINDOW.lengthMs): number {
  const turn = turnMs(shape);
  let used = 0;
  let held = 0;
  let largest = 0;
  for (const { reserved, actual, at, durationMs, decidedAt } of arrivals) {
    const heldMs = Math.min(turn, at + durationMs - decidedAt);
    used += actual;
    held += actual + ((reserved - actual) * heldMs) / turn;
    largest = Math.max(largest, reserved);
  }
  return (1 - (largest - 1) / limit) * (windowMs / turn) * (used / held);
}

/** What was used beyond the reservations, as a share of what was reserved. */
export function overrunShare(arrivals: readonly Arrival[]): number {
  let reserved = 0;
  let beyond = 0;
  for (const call of arrivals) {
    reserved += call.reserved;
    beyond += Math.max(0, call.actual - call.reserved);
  }
  return beyond / reserved;
}
