/** What this process last saw of a model: kept by name over reloads, changed as requests go by, read by the balancer. */
import type { Level, Refusal } from '../budgets/types.ts';
import { measure, newLatency, type Latency } from './latency.ts';

/** All times are on the clock that the balancer is asked by. */
export interface MemberGauge {
  /** Requests under way from this process. */
  running: number;
  /** Until a stream brought its first token. */
  readonly firstToken: Latency;
  /** Until a JSON answer was whole; not to be compared with the other. */
  readonly answer: Latency;
  /** The free share of its fullest limit, 0 to 1, when it was seen … */
  headroom: number;
  seenAt: number;
  /** … and after how many milliseconds the limit is empty again if nobody takes more. */
  emptyInMs: number;
  /** It is not to be preferred until then. */
  unwellUntil: number;
}

/** Where an engine cannot say when a limit is empty: the window of the rates. */
const EMPTY_IN_MS = 60_000;
/** Where it cannot say how long a model stays unwell: a probe is under way, and is soon answered. */
const UNWELL_MS = 1000;

export function newGauge(): MemberGauge {
  return { running: 0, firstToken: newLatency(), answer: newLatency(), headroom: 1, seenAt: -Infinity, emptyInMs: 0, unwellUntil: -Infinity };
}

export function started(gauge: MemberGauge): void {
  gauge.running++;
}

/** Once for each `started`, whatever became of the call. */
export function ended(gauge: MemberGauge): void {
  gauge.running--;
}

/** A first token came after `ms`, or a time-out waited for one that long. */
export function firstToken(gauge: MemberGauge, ms: number, now: number): void {
  measure(gauge.firstToken, ms, now);
}

/** A JSON answer came after `ms`, or a time-out waited for one that long. */
export function answered(gauge: MemberGauge, ms: number, now: number): void {
  measure(gauge.answer, ms, now);
}

/** The engine chose this model, and said how full its limits are. */
export function seen(gauge: MemberGauge, levels: readonly Level[], now: number): void {
  gauge.headroom = 1;
  gauge.emptyInMs = 0;
  for (const { limit, used, resetMs } of levels) {
    const free = Math.max(0, 1 - used / limit);
    if (free >= gauge.headroom) continue;
    gauge.headroom = free;
    gauge.emptyInMs = resetMs > 0 ? resetMs : EMPTY_IN_MS;
  }
  gauge.seenAt = now;
}

/** The engine passed this model over. */
export function passedOver(gauge: MemberGauge, { dimension, waitMs }: Refusal, now: number): void {
  if (dimension === 'cooldown' || dimension === 'circuit_open') return unwell(gauge, now + (waitMs > 0 ? waitMs : UNWELL_MS));
  // Never: the request was larger than the whole limit, which may be empty.
  if (waitMs < 0) return;
  gauge.headroom = 0;
  gauge.seenAt = now;
  gauge.emptyInMs = Math.max(waitMs, EMPTY_IN_MS);
}

/** Once it is over the model is preferred as before: its probe has to come from somewhere. */
export function unwell(gauge: MemberGauge, until: number): void {
  gauge.unwellUntil = Math.max(gauge.unwellUntil, until);
}

/** As seen, and emptying since: a model that is not asked is not seen either, and would look full for ever. */
export function headroomOf({ headroom, seenAt, emptyInMs }: MemberGauge, now: number): number {
  const age = now - seenAt;
  return age >= emptyInMs ? 1 : headroom + (1 - headroom) * (age / emptyInMs);
}
