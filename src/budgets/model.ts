/**
 * The budgets' rules over state in memory: what the Lua scripts do, operation by operation. It is the engine of one
 * process, the engine for when Redis is away, and the reference that the tests hold the scripts against.
 */
import { sized } from '../wire/sized.ts';
import { wholeAmount } from './amounts.ts';
import { CLOSED, gate, passed, shown, type Gate } from './health.ts';
import { budgetOf, levelsOf, take, usedOf, waitOf, type Budget, type Charge, type Model, type Reservation } from './model-state.ts';
import type { Ask, Candidate, Decision, Dimension, Health, Level, Refusal, ReserveOptions } from './types.ts';

export { createModel, type Model, type ModelOptions } from './model-state.ts';
export { beat, forget } from './model-beat.ts';
export { assertUse, extend, orphan, report, settle } from './model-changes.ts';
export type { Held } from './ops.ts';

const ENFORCED: ReserveOptions = { enforce: true };

/** The decision made for this id before, if it is still remembered. */
export function recall(model: Model, id: string): Decision | undefined {
  const known = model.reservations.get(id);
  return known && { ...known.decision, replayed: true };
}

export function reserve(
  model: Model,
  id: string,
  candidates: readonly Candidate[],
  now: number,
  { enforce }: ReserveOptions = ENFORCED,
): Decision {
  const known = recall(model, id);
  if (known) return known;
  const refusals: Refusal[] = [];
  for (let chosen = 0; chosen < candidates.length; chosen += 1) {
    const candidate = candidates[chosen]!;
    const budget = budgetOf(model, candidate.budget);
    const through = wellness(budget, candidate.model, now);
    if ('dimension' in through) {
      refusals.push(through);
      continue;
    }
    const full = refuse(model, budget, candidate.asks, now);
    if (full && enforce) {
      refusals.push(full);
      continue;
    }
    const charges = charge(model, budget, id, candidate.asks, now);
    turn(model, budget, candidate.model, through, id, now);
    const levels = levelsOf(model, budget, candidate.asks, now);
    const probe = 'as' in through && through.as === 'probe';
    const decision: Decision = { chosen, refusals, levels, replayed: false, probe, would: full ?? null, by: 'process' };
    remember(model, id, candidate, decision, charges, now);
    return decision;
  }
  return { chosen: -1, refusals, levels: [], replayed: false, probe: false, would: null, by: 'process' };
}

/** Takes over what Redis decided, room or no room: so that this process knows its own use when Redis is away. */
export function adopt(model: Model, id: string, candidate: Candidate, decision: Decision, now: number): void {
  if (model.reservations.get(id)) return;
  const charges = charge(model, budgetOf(model, candidate.budget), id, candidate.asks, now);
  remember(model, id, candidate, decision, charges, now);
}

export function usage(
  model: Model,
  budgets: ReadonlyMap<string, readonly Ask[]>,
  now: number,
): Map<string, readonly Level[]> {
  return new Map([...budgets].map(([name, asks]) => [name, levelsOf(model, budgetOf(model, name), asks, now)]));
}

/** @param models each with its budget */
export function health(model: Model, models: ReadonlyMap<string, string>, now: number): Map<string, Health> {
  const its = (name: string, { circuits, cooldown }: Budget) => shown(circuits.get(name) ?? CLOSED, cooldown, now);
  return new Map([...models].map(([name, budget]) => [name, its(name, budgetOf(model, budget))]));
}

/** What is held of one dimension now. */
export function used(model: Model, budget: string, dimension: Dimension, now: number): number {
  return usedOf(model, budgetOf(model, budget), dimension, now);
}

/** How a request gets to the model, or why it does not. */
function wellness({ cooldown, circuits }: Budget, model: string, now: number): Gate | Refusal {
  if (now < cooldown.until) return { dimension: 'cooldown', waitMs: cooldown.until - now };
  const through = gate(circuits.get(model) ?? CLOSED, now);
  return 'waitMs' in through ? { dimension: 'circuit_open', waitMs: through.waitMs } : through;
}

function turn(model: Model, { circuits }: Budget, name: string, through: Gate, id: string, now: number): void {
  const before = circuits.get(name);
  if (before) circuits.set(name, passed(before, through, id, now, model.probeMs));
}

/** Of several asks without room, the one that lasts longest is the reason; "never" (-1) lasts longest of all. */
function refuse(model: Model, budget: Budget, asks: readonly Ask[], now: number): Refusal | undefined {
  let longest: Refusal | undefined;
  for (const { dimension, limit, amount: given } of asks) {
    const amount = wholeAmount(given);
    if (usedOf(model, budget, dimension, now) + amount <= limit) continue;
    const waitMs = amount > limit ? -1 : waitOf(model, budget, dimension, limit - amount, now);
    if (!longest || (longest.waitMs !== -1 && (waitMs === -1 || waitMs > longest.waitMs)))
      longest = { dimension, waitMs };
  }
  return longest;
}

function charge(model: Model, budget: Budget, id: string, asks: readonly Ask[], now: number): Charge[] {
  const charges = sized<Charge>(asks.length);
  for (let i = 0; i < asks.length; i += 1) charges[i] = take(model, budget, asks[i]!.dimension, wholeAmount(asks[i]!.amount), id, now);
  return charges;
}

function remember(
  model: Model,
  id: string,
  candidate: Candidate,
  decision: Decision,
  charges: Charge[],
  now: number,
): void {
  const { model: name, budget } = candidate;
  const reservation: Reservation = { decision, model: name, budget, charges, progress: undefined, soFar: undefined, orphan: false };
  model.reservations.add(id, now + model.leaseMs, reservation);
}
