/** What the app asks and when: a steady beat with small bursts, more than the primaries' budgets allow. */
import { DEV, PROD } from './scene.ts';

export interface Visit {
  readonly group: string;
  readonly stream: boolean;
  readonly prompt: string;
}

/** Beats of a whole run: a shorter run beats faster, so that it too exceeds the budgets. */
const BEATS = 115;
const SLOWEST_MS = 650;
const FASTEST_MS = 15;
/** Every so many beats three requests come at once. */
const BURST_EVERY = 9;

export function beatMs(durationMs: number): number {
  return Math.min(SLOWEST_MS, Math.max(FASTEST_MS, durationMs / BEATS));
}

/** The visits of one beat. */
export function visitsAt(beat: number): Visit[] {
  const visits = [visit(beat)];
  if (beat % BURST_EVERY === BURST_EVERY - 1) visits.push(visit(beat + 1), visit(beat + 2));
  return visits;
}

/** Groups in turn; of each group's requests every other one is a stream. */
function visit(nth: number): Visit {
  const isDev = nth % 2 === 0;
  return { group: isDev ? DEV.name : PROD.name, stream: nth % 4 < 2, prompt: isDev ? DOCUMENT : QUESTION };
}

const QUESTION = 'A customer asks where the parcel is. Answer in two sentences.';
const SENTENCE = 'The spillway carries the water that the dam cannot hold past it, so that the valley below stays dry. ';
/** About 1,100 tokens: a group that asks with these runs out of tokens before it runs out of requests. */
const DOCUMENT = `Summarise this text. ${SENTENCE.repeat(44)}`;
