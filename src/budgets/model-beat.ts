/** Who lives, for the model. */
import { budgetOf, type Model } from './model-state.ts';
import type { BeatAnswer, Held, NewEpoch, Orphan } from './ops.ts';

const WHOLE = 1_000_000;

/** Due reservations looked at by one beat; the same number as in beat.lua. */
const MOST_DUE = 50;

/** A heartbeat of 0 ms: the pod leaves. */
export function beat(
  model: Model,
  pod: string,
  podMs: number,
  held: readonly Held[],
  now: number,
  newEpoch: NewEpoch = { id: '', learnMs: 0 },
): BeatAnswer {
  model.pods.dropUpTo(now);
  if (podMs > 0) model.pods.add(pod, now + podMs);
  else model.pods.delete(pod);
  const epoch = (model.epoch = epochAt(model.epoch, newEpoch, now));
  for (const { id, slotOf } of held) {
    const known = model.reservations.get(id);
    if (!known) continue;
    if (slotOf !== null) budgetOf(model, slotOf).slots.add(id, now + model.leaseMs);
    known.orphan = false;
    model.reservations.add(id, now + model.leaseMs, known);
  }
  return {
    pods: model.pods.size,
    grant: grantOf(model, pod),
    epoch: epoch.id,
    learningMs: Math.max(0, epoch.learningUntil - now),
    newest: epoch.newestBeat,
    orphans: due(model, now),
  };
}

/** Where nobody beats: drops reservations whose lease has run out. Every admission adds one, so a few at a time are enough. */
export function forget(model: Model, now: number, most = 4): void {
  model.reservations.dropUpTo(now, most);
}

/** Restored from data of before that beat, it is as good as empty. */
function epochAt(known: Model['epoch'], { id, learnMs, after = 0 }: NewEpoch, now: number): NonNullable<Model['epoch']> {
  const newestBeat = Math.max(known?.newestBeat ?? 0, now);
  if (known && known.newestBeat >= after) return { ...known, newestBeat };
  return { id, learningUntil: learnMs > 0 ? now + learnMs : 0, newestBeat };
}

/** What one pod has, no other gets before the next beat of the first: together they never have more than the whole. */
function grantOf(model: Model, pod: string): number {
  let left = WHOLE;
  for (const [other, grant] of model.grants) {
    if (model.pods.score(other) === undefined) model.grants.delete(other);
    else if (other !== pod) left -= grant;
  }
  if (model.pods.score(pod) === undefined) return 0;
  const grant = Math.min(Math.floor(WHOLE / model.pods.size), left);
  model.grants.set(pod, grant);
  return grant;
}

/** Orphans whose time is over are forgotten for good. */
function due(model: Model, now: number): Orphan[] {
  const orphans: Orphan[] = [];
  for (const id of model.reservations.upTo(now, MOST_DUE)) {
    const known = model.reservations.get(id);
    if (known && !known.orphan) orphans.push({ id, budget: known.budget });
    else model.reservations.delete(id);
  }
  return orphans;
}
