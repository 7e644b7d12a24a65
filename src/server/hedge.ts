/**
 * Hedging (Dean and Barroso, "The Tail at Scale", 2013): where the first model is slow to its first token, the next one starts
 * beside it, with a reservation of its own. Whoever answers first serves; the other is given up and settled.
 */
import type { Attempt } from '../upstream/attempt.ts';
import type { Outcome } from '../upstream/types.ts';
import type { CoarseTimer, Deadline } from '../wire/coarse-timer.ts';
import { UNKNOWN, UNSENT } from '../decide/asks.ts';
import { NEUTRAL } from '../decide/report.ts';
import type { Charge } from './charge.ts';
import type { Exchange, Holder } from './exchange.ts';

/** One call under way. */
export interface Flight {
  readonly charge: Charge;
  /** Undefined: a drill. */
  readonly attempt: Attempt | undefined;
  readonly outcome: Promise<Outcome>;
  readonly begun: number;
}

export interface Landed {
  readonly flight: Flight;
  readonly outcome: Outcome;
}

/** Hedges in reserve when many requests turn slow at once; the rest have to be earned. */
const MOST_SAVED = 10;

/** At most a share of the requests is hedged: each earns a part of a hedge. */
export class HedgeShare {
  private readonly maxShare: number;
  private saved = 0;

  constructor(maxShare: number) {
    this.maxShare = maxShare;
  }

  earn(): void {
    this.saved = Math.min(MOST_SAVED, this.saved + this.maxShare);
  }

  spend(): boolean {
    if (this.saved < 1) return false;
    this.saved -= 1;
    return true;
  }
}

/** @returns what the flight brought, or undefined if it is still under way after `ms` */
export async function landedWithin(flight: Flight, ms: number, timer: CoarseTimer): Promise<Landed | undefined> {
  const alarm = new Alarm(timer, ms);
  const first = await Promise.race([flight.outcome, alarm.rung]);
  alarm.stop();
  return first === undefined ? undefined : { flight, outcome: first };
}

/** The first that brings an answer, else the last failure; what the other brought meanwhile goes to `onFailed`. */
export async function raced(flights: readonly [Flight, Flight], exchange: Exchange, onFailed: (landed: Landed) => void): Promise<Landed> {
  exchange.holder = new Both(flights);
  const landing = flights.map(async (flight): Promise<Landed> => ({ flight, outcome: await flight.outcome }));
  const first = await Promise.race(landing);
  const other = flights[0] === first.flight ? flights[1] : flights[0];
  if (serves(first.outcome)) {
    exchange.holder = first.flight.attempt;
    giveUp(other);
    return first;
  }
  onFailed(first);
  exchange.holder = other.attempt;
  return { flight: other, outcome: await other.outcome };
}

function serves({ kind }: Outcome): boolean {
  return kind === 'stream' || kind === 'answer';
}

function giveUp({ attempt, charge, outcome }: Flight): void {
  attempt?.closed();
  void outcome.then((lost) => charge.settle(lost.kind === 'stale' || (lost.kind === 'aborted' && !lost.sent) ? UNSENT : UNKNOWN, NEUTRAL));
}

class Both implements Holder {
  private readonly flights: readonly Flight[];

  constructor(flights: readonly Flight[]) {
    this.flights = flights;
  }

  closed(): void {
    for (const { attempt } of this.flights) attempt?.closed();
  }
}

class Alarm implements Deadline {
  at: number;
  place = -1;
  readonly rung: Promise<undefined>;
  private readonly timer: CoarseTimer;
  private ring!: () => void;

  constructor(timer: CoarseTimer, ms: number) {
    this.timer = timer;
    this.at = timer.now() + ms;
    this.rung = new Promise((resolve) => {
      this.ring = () => resolve(undefined);
    });
    timer.add(this);
  }

  expire(): void {
    this.ring();
  }

  stop(): void {
    this.timer.remove(this);
  }
}
