/**
 * The rules of health, as pure functions; lua/include/health.lua tells the same ones.
 *
 * Cooldown, of a budget, which stands for a provider's pool: `throttled` keeps all its models out until now + forMs, or,
 * if the provider did not say for how long, for 1 s, doubled each time up to 60 s, until an `ok`.
 *
 * Circuit, of a model:
 * - closed: `failed` is noted, those older than windowMs are dropped; as many as `failures` open it for openMs. `ok`
 *   takes the oldest one off. `neutral` and `throttled` say nothing.
 * - open: nothing passes. Afterwards one request does, as a probe.
 * - half open: nothing passes while the probe is under way, for the length of a lease at most; then the next is a probe.
 *   Only the probe's report counts: `ok` and `throttled` -> returning, `failed` -> open, `neutral` -> the next may probe at
 *   once. A probe that is settled without a word is `neutral`.
 * - returning: 2, 4, 8, ... requests in all by the end of each second. Any `failed` opens it; after 6 s it is closed.
 *
 * Times only move forward with the store's clock: a clock that goes back keeps out longer, never shorter.
 */
import type { Health, Report } from './types.ts';

export type Circuit =
  | { readonly state: 'closed'; readonly failures: readonly number[] }
  | { readonly state: 'open'; readonly until: number }
  /** `probe`: whose report counts; null: the next request may probe. */
  | { readonly state: 'half_open'; readonly probe: string | null; readonly until: number }
  | { readonly state: 'returning'; readonly since: number; readonly admitted: number };

export interface Cooldown {
  readonly until: number;
  /** How often in a row a provider said "later" without saying when. */
  readonly step: number;
}

/** How a request passes, or after how many milliseconds one may. */
export type Gate = { readonly as: 'any' | 'probe' | 'returning' } | { readonly waitMs: number };

export const CLOSED: Circuit = { state: 'closed', failures: [] };
export const WARM: Cooldown = { until: 0, step: 0 };

const RETURNING_MS = 6_000;
const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

const ANY: Gate = { as: 'any' };
const AS_PROBE: Gate = { as: 'probe' };

export function gate(circuit: Circuit, now: number): Gate {
  const known = unlessOver(circuit, now);
  if (known.state === 'closed') return ANY;
  if (known.state === 'open') return now < known.until ? { waitMs: known.until - now } : AS_PROBE;
  if (known.state === 'half_open') return known.probe !== null && now < known.until ? { waitMs: 0 } : AS_PROBE;
  const { since, admitted } = known;
  // The end of each second of it: two may pass before the first, four before the second.
  let end = since + 1_000;
  let most = 2;
  while (end <= now) {
    end += 1_000;
    most *= 2;
  }
  return admitted < most ? { as: 'returning' } : { waitMs: end - now };
}

/** The circuit after a request passed its gate. */
export function passed(circuit: Circuit, through: Gate, id: string, now: number, probeMs: number): Circuit {
  if (!('as' in through) || through.as === 'any') return circuit;
  if (through.as === 'probe') return { state: 'half_open', probe: id, until: now + probeMs };
  return circuit.state === 'returning' ? { ...circuit, admitted: circuit.admitted + 1 } : circuit;
}

/** The circuit after what reservation `id` says. */
export function reported(circuit: Circuit, id: string, report: Report, now: number): Circuit {
  const known = unlessOver(circuit, now);
  switch (known.state) {
    case 'closed': {
      if (report.kind === 'ok') return { state: 'closed', failures: known.failures.slice(1) };
      if (report.kind !== 'failed') return known;
      const failures = [...known.failures.filter((at) => at > now - report.windowMs), now];
      return failures.length >= report.failures ? opened(report, now) : { state: 'closed', failures };
    }
    case 'returning':
      return report.kind === 'failed' ? opened(report, now) : known;
    case 'half_open':
      if (known.probe !== id) return known;
      if (report.kind === 'failed') return opened(report, now);
      if (report.kind === 'neutral') return { state: 'half_open', probe: null, until: 0 };
      return { state: 'returning', since: now, admitted: 0 };
    default:
      return known;
  }
}

export function cooled(cooldown: Cooldown, report: Report, now: number): Cooldown {
  if (report.kind === 'ok') return cooldown.step === 0 ? cooldown : { ...cooldown, step: 0 };
  if (report.kind !== 'throttled') return cooldown;
  const step = report.forMs === null ? cooldown.step + 1 : cooldown.step;
  const forMs = report.forMs ?? Math.min(LONGEST_MS, FIRST_MS * 2 ** (step - 1));
  return { until: Math.max(cooldown.until, now + forMs), step };
}

export function shown(circuit: Circuit, cooldown: Cooldown, now: number): Health {
  const { state } = unlessOver(circuit, now);
  // Nothing happens when an open circuit's time is over; the next request is a probe.
  const isDue = circuit.state === 'open' && now >= circuit.until;
  return { circuit: isDue ? 'half_open' : state, cooldownMs: Math.max(0, cooldown.until - now) };
}

function opened({ openMs }: Extract<Report, { kind: 'failed' }>, now: number): Circuit {
  return { state: 'open', until: now + openMs };
}

function unlessOver(circuit: Circuit, now: number): Circuit {
  return circuit.state === 'returning' && now >= circuit.since + RETURNING_MS ? CLOSED : circuit;
}
