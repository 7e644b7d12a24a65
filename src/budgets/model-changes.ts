/** What happens to a reservation of the model after it was made. */
import { indexAt } from '../wire/window.ts';
import { knownAmount, wholeAmount } from './amounts.ts';
import { CLOSED, cooled, reported } from './health.ts';
import { budgetOf, giveBack, isCost, purseOf, ringOf, take, takeSlot, type Charge, type Model, type Reservation } from './model-state.ts';
import type { AssertedUse, CostDimension, RateDimension } from './ops.ts';
import type { Actual, Dimension, Report } from './types.ts';

/** Answers whether there was such a reservation. */
export function settle(model: Model, id: string, actual: Actual, now: number, its?: Report): boolean {
  const known = model.reservations.get(id);
  if (!known) return false;
  if (its) report(model, id, its, now);
  else if (known.decision.probe) report(model, id, { kind: 'neutral' }, now);
  freeSlot(model, id, known);
  const { charges } = known;
  for (let i = 0; i < charges.length; i += 1) {
    const { dimension } = charges[i]!;
    const total = totalFrom(charges, i);
    const amount = knownAmount(actual, dimension);
    if (amount === undefined || total === undefined) continue;
    if (amount < total) lower(model, known, dimension, total - amount, now);
    else if (amount > total) take(model, budgetOf(model, known.budget), dimension, amount - total, id, now);
  }
  model.reservations.delete(id);
  return true;
}

/** What is known of a model's health before the reservation ends. Answers whether there was such a reservation. */
export function report(model: Model, id: string, its: Report, now: number): boolean {
  const known = model.reservations.get(id);
  if (!known) return false;
  const budget = budgetOf(model, known.budget);
  const before = budget.circuits.get(known.model);
  // Of a model that is well, as most are, only a failure is news.
  if (before || its.kind === 'failed') {
    const circuit = reported(before ?? CLOSED, id, its, now);
    if (circuit.state === 'closed' && circuit.failures.length === 0) budget.circuits.delete(known.model);
    else budget.circuits.set(known.model, circuit);
  }
  budget.cooldown = cooled(budget.cooldown, its, now);
  return true;
}

/** Of each named dimension that was reserved, what is beyond the charges so far is charged now. */
export function extend(model: Model, id: string, soFar: Actual, now: number): boolean {
  const known = model.reservations.get(id);
  if (!known) return false;
  for (const [dimension, total] of totals(known)) {
    const figure = knownAmount(soFar, dimension);
    if (figure === undefined) continue;
    if (figure > total) known.charges.push(take(model, budgetOf(model, known.budget), dimension, figure - total, id, now));
    if (isCost(dimension)) (known.progress ??= new Map()).set(dimension, figure);
  }
  return true;
}

/**
 * The pod that made it is gone: its slot is free, its money goes down to what was told last; rates slide out by
 * themselves. Kept `recordMs` longer, so a late settle still corrects it. Not while its lease runs: the pod was back in time.
 */
export function orphan(model: Model, id: string, now: number): boolean {
  const known = model.reservations.get(id);
  if (!known || known.orphan || model.reservations.score(id)! > now) return false;
  freeSlot(model, id, known);
  for (const [dimension, total] of totals(known)) {
    const figure = known.progress?.get(dimension);
    if (figure !== undefined && figure < total) lower(model, known, dimension, total - figure, now);
  }
  known.orphan = true;
  model.reservations.add(id, now + model.recordMs, known);
  return true;
}

/** Takes over what was decided elsewhere, room or no room. */
export function assertUse(model: Model, name: string, { rates, costs, slots }: AssertedUse, now: number): void {
  const budget = budgetOf(model, name);
  for (const dimension of Object.keys(rates) as RateDimension[]) {
    const ring = ringOf(model, budget, dimension);
    for (const [age, amount] of rates[dimension]!)
      ring.addAt(indexAt(model.window, now - wholeAmount(age)), wholeAmount(amount), now);
  }
  for (const dimension of Object.keys(costs) as CostDimension[])
    purseOf(budget, dimension).add(wholeAmount(costs[dimension]!), now);
  for (const id of slots) takeSlot(model, budget, id, now);
}

/** What is charged so far; of concurrency there is no figure. */
function totals({ charges }: Reservation): Map<Dimension, number> {
  const sums = new Map<Dimension, number>();
  for (const { dimension, amount } of charges)
    if (dimension !== 'concurrency') sums.set(dimension, (sums.get(dimension) ?? 0) + amount);
  return sums;
}

/** What is charged of the dimension of the charge at `i`; undefined if an earlier one has it, and for concurrency. */
function totalFrom(charges: readonly Charge[], i: number): number | undefined {
  const { dimension } = charges[i]!;
  if (dimension === 'concurrency') return undefined;
  let sum = 0;
  for (let k = 0; k < charges.length; k += 1) {
    if (charges[k]!.dimension !== dimension) continue;
    if (k < i) return undefined;
    sum += charges[k]!.amount;
  }
  return sum;
}

/** What was charged last is given back first. */
function lower(model: Model, known: Reservation, dimension: Dimension, amount: number, now: number): void {
  let left = amount;
  for (let i = known.charges.length - 1; i >= 0; i -= 1) {
    const charge = known.charges[i]!;
    if (charge.dimension !== dimension) continue;
    const part = Math.min(left, charge.amount);
    giveBack(model, budgetOf(model, known.budget), charge, part, now);
    charge.amount -= part;
    left -= part;
  }
}

function freeSlot(model: Model, id: string, known: Reservation): void {
  for (const { dimension } of known.charges) if (dimension === 'concurrency') budgetOf(model, known.budget).slots.delete(id);
}
