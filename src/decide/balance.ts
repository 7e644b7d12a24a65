/**
 * In what order a request tries the members of its group. The budget engine then takes the first that has room, so this is a
 * preference. Figures are those of this process; most-headroom and unwell models come from the shared budgets.
 */
import type { Balance } from '../config/types.ts';
import { headroomOf, type MemberGauge } from './gauge.ts';
import { isOld } from './latency.ts';
import type { PerMillion } from './price.ts';

export interface Member {
  /** Above 0. */
  readonly weight: number;
  /** US dollars per million tokens, as `meanCost` has it; undefined: not known. */
  readonly cost: number | undefined;
  readonly gauge: MemberGauge;
}

export interface Balancer {
  /**
   * Indexes of all members in the order to be tried. The array is the balancer's own and is filled anew by the next request:
   * it is read before anything is waited for.
   * @param streamed which latency counts: until the first token, or until the whole answer
   */
  order(now: number, random: () => number, streamed: boolean): readonly number[];
}

/** Puts the indexes in order; they come in a random one in which heavier members tend to stand first. */
type Arrange = (order: number[], now: number, random: () => number, streamed: boolean) => void;

/** @param random from 0 to below 1; pods begin their turns at different places */
export function createBalancer(balance: Balance, members: readonly Member[], random: () => number): Balancer {
  return new Preference(members, arrangeBy(balance, members, random));
}

class Preference implements Balancer {
  readonly #members: readonly Member[];
  readonly #arrange: Arrange;
  readonly #order: number[];
  readonly #weight: number;

  constructor(members: readonly Member[], arrange: Arrange) {
    this.#members = members;
    this.#arrange = arrange;
    this.#order = members.map((_, i) => i);
    this.#weight = members.reduce((sum, { weight }) => sum + weight, 0);
  }

  order(now: number, random: () => number, streamed: boolean): readonly number[] {
    this.#shuffle(random);
    this.#arrange(this.#order, now, random, streamed);
    this.#unwellLast(now);
    return this.#order;
  }

  /**
   * Drawn by weight, without putting back. So ties are fair, and what a member has no room for is spread over the others by
   * their weights, where a fixed second would get it all.
   */
  #shuffle(random: () => number): void {
    const order = this.#order;
    let left = this.#weight;
    for (let place = 0; place < order.length - 1; place++) {
      let at = random() * left;
      let drawn = place;
      while (drawn < order.length - 1 && (at -= this.#members[order[drawn]!]!.weight) >= 0) drawn++;
      const one = order[drawn]!;
      order[drawn] = order[place]!;
      order[place] = one;
      left -= this.#members[one]!.weight;
    }
  }

  /** Among themselves as they were. */
  #unwellLast(now: number): void {
    const order = this.#order;
    let well = 0;
    for (let i = 0; i < order.length; i++) {
      if (this.#members[order[i]!]!.gauge.unwellUntil <= now) moveUp(order, i, well++);
    }
  }
}

function arrangeBy(balance: Balance, members: readonly Member[], random: () => number): Arrange {
  switch (balance) {
    case 'weighted':
      return inTurns(members.map(({ weight }) => weight), random);
    case 'round-robin':
      return inTurns(members.map(() => 1), random);
    case 'least-busy':
      return byScore(members, ({ weight, gauge }) => gauge.running / weight);
    case 'lowest-cost':
      return byScore(members, ({ cost }) => cost ?? Infinity);
    case 'lowest-latency':
      return byLatency(members);
    case 'most-headroom':
      return byHeadroom(members);
  }
}

/**
 * Each member is due at even intervals of 1/weight, from a random beginning (stride scheduling: Waldspurger and Weihl, 1995).
 * Shares are exact to one request even in small numbers, where drawing lots would not be, and pods do not march in step.
 */
function inTurns(weights: readonly number[], random: () => number): Arrange {
  const due = Float64Array.from(weights, (weight) => random() / weight);
  return (order) => {
    let next = 0;
    for (let i = 1; i < due.length; i++) if (due[i]! < due[next]!) next = i;
    const at = due[next]!;
    // Counted from this turn, so that the figures never grow.
    for (let i = 0; i < due.length; i++) due[i] = due[i]! - at;
    due[next] = 1 / weights[next]!;
    moveUp(order, order.indexOf(next), 0);
  };
}

/** The lowest first. */
function byScore(members: readonly Member[], scoreOf: (member: Member, now: number) => number): Arrange {
  const scores = new Float64Array(members.length);
  return (order, now) => {
    for (let i = 0; i < scores.length; i++) scores[i] = scoreOf(members[i]!, now);
    sort(order, scores, 0);
  };
}

/**
 * The better of two that were drawn, then the others (the power of two choices: Mitzenmacher, 2001): if all pods took the best
 * of all, they would fill it before anyone saw it.
 */
function byHeadroom(members: readonly Member[]): Arrange {
  const scores = new Float64Array(members.length);
  return (order, now) => {
    for (let i = 0; i < scores.length; i++) scores[i] = -headroomOf(members[i]!.gauge, now);
    if (order.length > 1 && scores[order[1]!]! < scores[order[0]!]!) moveUp(order, 1, 0);
    sort(order, scores, 1);
  };
}

/** Members up to this much slower than the fastest share the load with it: less is noise. */
const ALIKE = 1.1;
/** Of the requests, this share goes to a member that was not measured for a while, if there is one. */
const EXPLORED = 0.05;

function byLatency(members: readonly Member[]): Arrange {
  const scores = new Float64Array(members.length);
  return (order, now, random, streamed) => {
    let best = Infinity;
    for (let i = 0; i < scores.length; i++) {
      const { ms } = latencyOf(members[i]!, streamed);
      scores[i] = Number.isNaN(ms) ? Infinity : ms;
      best = Math.min(best, scores[i]!);
    }
    // While none is measured, all are alike.
    for (let i = 0; i < scores.length; i++) if (scores[i]! <= best * ALIKE) scores[i] = 0;
    const explored = random() < EXPLORED ? firstOld(order, members, now, streamed) : -1;
    sort(order, scores, 0);
    if (explored >= 0) moveUp(order, order.indexOf(explored), 0);
  };
}

function firstOld(order: readonly number[], members: readonly Member[], now: number, streamed: boolean): number {
  for (const i of order) {
    const member = members[i]!;
    if (member.gauge.unwellUntil <= now && isOld(latencyOf(member, streamed), now)) return i;
  }
  return -1;
}

function latencyOf({ gauge }: Member, streamed: boolean): MemberGauge['answer'] {
  return streamed ? gauge.firstToken : gauge.answer;
}

/** Equals stay as they are; groups are small. */
function sort(order: number[], scores: Float64Array, from: number): void {
  for (let i = from + 1; i < order.length; i++) {
    let place = i;
    while (place > from && scores[order[place - 1]!]! > scores[order[i]!]!) place--;
    moveUp(order, i, place);
  }
}

/** Those between move down by one. */
function moveUp(order: number[], from: number, to: number): void {
  const moved = order[from]!;
  for (let i = from; i > to; i--) order[i] = order[i - 1]!;
  order[to] = moved;
}

/** Of a mean request: three input tokens to one of output, the usual mix for comparing models by price (Artificial Analysis). */
export function meanCost(price: PerMillion | undefined): number | undefined {
  return price && (3 * price.input + price.output) / 4;
}
