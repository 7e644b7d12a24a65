/** What one turn of the event loop asks is decided together: one call to Redis, one frame around it, one time-out. */
import type { Reserve } from './outbox.ts';
import type { Timers } from './timers.ts';
import type { Actual, Candidate, Decision, Report } from './types.ts';

/** One `reserve` under way; Redis is asked with it as it is. */
export interface Question extends Reserve {
  /** Undefined until Redis or this pod has decided. */
  decision: Decision | undefined;
  /** What it came to, if it was settled before that. */
  settled: Settled | undefined;
}

interface Settled {
  readonly actual: Actual;
  readonly report: Report | undefined;
}

export interface CollectorOptions {
  /** Gives each question its decision. */
  readonly decide: (questions: readonly Question[]) => Promise<unknown>;
  readonly settle: (id: string, actual: Actual, report: Report | undefined) => void;
  readonly timers: Timers;
}

interface Turn {
  readonly questions: Question[];
  readonly decided: Promise<void>;
}

export class Collector {
  readonly #options: CollectorOptions;
  /** Not decided yet. An array, and looked through by those few that need it (docs/decisions/0006). */
  readonly #turns: Turn[] = [];
  /** The one that now is. */
  #turn: Turn | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  ask(id: string, candidates: readonly Candidate[], enforce: boolean): Promise<Decision> {
    const question: Question = { kind: 'reserve', id, candidates, enforce, decision: undefined, settled: undefined };
    this.#turn ??= this.#begin();
    this.#turn.questions.push(question);
    return this.#turn.decided.then(() => question.decision!);
  }

  /** Of one that is under way: done when it is decided, once. */
  settle(id: string, actual: Actual, report: Report | undefined): void {
    const question = this.#find(id);
    if (question) question.settled ??= { actual, report };
  }

  /** How many are not decided. */
  get size(): number {
    return this.#turns.reduce((sum, { questions }) => sum + questions.length, 0);
  }

  /** Resolves when all that was asked is decided. */
  async idle(): Promise<void> {
    while (this.#turns.length > 0) await Promise.allSettled(this.#turns.map(({ decided }) => decided));
  }

  #begin(): Turn {
    const { timers } = this.#options;
    const questions: Question[] = [];
    const read = new Promise<void>((resolve) => {
      // Several at once: more are on their way, and they share the call for no more than the time that reading them takes.
      timers.afterReading(() => (questions.length > 1 ? timers.afterReading(resolve) : resolve()));
    });
    const turn: Turn = { questions, decided: read.then(() => this.#decide(turn)) };
    this.#turns.push(turn);
    return turn;
  }

  async #decide(turn: Turn): Promise<void> {
    const { decide, settle } = this.#options;
    this.#turn = undefined;
    try {
      await decide(turn.questions);
    } finally {
      this.#turns.splice(this.#turns.indexOf(turn), 1);
    }
    for (const { id, settled } of turn.questions) if (settled) settle(id, settled.actual, settled.report);
  }

  #find(id: string): Question | undefined {
    for (const { questions } of this.#turns) for (const question of questions) if (question.id === id) return question;
    return undefined;
  }
}
