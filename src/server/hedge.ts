/**
 * Hedging (Dean and Barroso, "The Tail at Scale", 2013): where the first model is slow to its first token, the next one starts
 * beside it, with a reservation of its own. Whoever answers first serves; the other is given up and settled.
 */
import { Writable } from 'node:stream';
import type { Attempt } from '../upstream/attempt.ts';
import type { Outcome } from '../upstream/types.ts';
import type { CoarseTimer } from '../wire/coarse-timer.ts';
import { UNSENT } from '../decide/asks.ts';
import type { Usage } from '../providers/types.ts';
import { NEUTRAL } from '../decide/report.ts';
import type { Charge } from './charge.ts';
import type { Exchange, Holder } from './exchange.ts';
import type { GatewayDeps } from './gateway.ts';
import type { Journey } from './journey.ts';
import { Pause } from './pause.ts';
import { settleAborted, settleFailed, settleWith } from './settle.ts';

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

  /** The hedge that was to be paid did not come about. */
  refund(): void {
    this.saved += 1;
  }
}

/** @returns what the flight brought, or undefined if it is still under way after `ms` */
export async function landedWithin(flight: Flight, ms: number, timer: CoarseTimer): Promise<Landed | undefined> {
  const over = Promise.withResolvers<undefined>();
  const alarm = new Pause(timer.now() + ms, timer, () => over.resolve(undefined));
  const first = await Promise.race([flight.outcome, over.promise]);
  alarm.closed();
  return first === undefined ? undefined : { flight, outcome: first };
}

/** @returns whether the flight is still under way */
export function isUnderWay(flight: Flight): Promise<boolean> {
  return Promise.race([flight.outcome.then(() => false), Promise.resolve().then(() => true)]);
}

/** The first that brings an answer, else the last failure; what became of the other goes to `lost`. */
export async function raced(flights: readonly [Flight, Flight], exchange: Exchange, lost: (landed: Landed) => void): Promise<Landed> {
  exchange.holder = new Both(flights);
  const landing = flights.map(async (flight): Promise<Landed> => ({ flight, outcome: await flight.outcome }));
  const first = await Promise.race(landing);
  const other = flights[0] === first.flight ? flights[1] : flights[0];
  if (serves(first.outcome)) {
    exchange.holder = first.flight.attempt;
    // Its outcome is there as soon as it is told.
    other.attempt?.closed();
    lost({ flight: other, outcome: await other.outcome });
    return first;
  }
  lost(first);
  exchange.holder = other.attempt;
  return { flight: other, outcome: await other.outcome };
}

/** Of two that were asked at once: it failed, or the other one was quicker. */
export function settleLost({ flight: { charge }, outcome }: Landed, exchange: Exchange, journey: Journey, deps: GatewayDeps): void {
  const { target } = charge;
  if (outcome.kind === 'failed') {
    const { reason, retryAfterMs } = outcome.failure;
    settleFailed(outcome, charge, exchange, deps);
    journey.failed(target, reason ?? 'malformed_response', retryAfterMs);
    journey.leaveOut(target);
  } else if (outcome.kind === 'aborted' && outcome.sent) {
    settleAborted(outcome, charge, exchange, deps);
    deps.recorder.cancelled(target);
  } else if (outcome.kind === 'stream' || outcome.kind === 'answer') {
    // Both landed in one turn of the event loop: sent, used, and not wanted.
    const drop = ({ held, usage, counted }: { held: number; usage: Usage | undefined; counted: number }): void => {
      deps.held.give(held);
      settleWith(usage, counted, NEUTRAL, charge, exchange, deps);
    };
    if (outcome.kind === 'answer') drop({ ...outcome, counted: Math.ceil(outcome.body.length / 4) });
    else void outcome.stream.pipe(new Writable({ write: (_chunk, _encoding, done) => done() })).then(drop);
    deps.recorder.cancelled(target);
  } else {
    charge.settle(UNSENT, NEUTRAL);
    journey.attempts--;
  }
}

function serves({ kind }: Outcome): boolean {
  return kind === 'stream' || kind === 'answer';
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
