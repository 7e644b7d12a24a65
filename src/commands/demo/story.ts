/** The events worth telling: who serves a group from now on and why. Told apart from the figures' changes. */
import { WINDOW } from '../../wire/window.ts';
import type { Figures } from './figures.ts';
import type { SceneGroup } from './scene.ts';
import { clockText, type Tone } from './text.ts';

export interface Event {
  /** Since the start, in ms. */
  readonly at: number;
  readonly text: string;
  readonly tone: Tone | undefined;
}

/** Who serves a group, as last seen. */
export interface Serving {
  readonly model: string;
  /** '' for the primary. */
  readonly reason: string;
}

interface Seen {
  readonly counts: Map<string, number>;
  serving: Serving | undefined;
}

const KEPT = 100;

export class Story {
  readonly events: Event[] = [];
  readonly #groups: readonly SceneGroup[];
  readonly #onEvent: (event: Event) => void;
  readonly #seen: ReadonlyMap<string, Seen>;
  /** When a primary was first used, until it has been told when that use is forgotten. */
  readonly #firstUse = new Map<string, number>();
  readonly #told = new Set<string>();
  #degraded = false;

  constructor(groups: readonly SceneGroup[], onEvent: (event: Event) => void) {
    this.#groups = groups;
    this.#onEvent = onEvent;
    this.#seen = new Map(groups.map(({ name }) => [name, { counts: new Map(), serving: undefined }]));
  }

  serving(group: string): Serving | undefined {
    return this.#seen.get(group)?.serving;
  }

  tell(at: number, text: string, tone?: Tone): void {
    const event = { at, text, tone };
    this.events.push(event);
    if (this.events.length > KEPT) this.events.shift();
    this.#onEvent(event);
  }

  see(figures: Figures, at: number): void {
    for (const [model, { requests }] of figures.models) if (requests.used > 0 && !this.#firstUse.has(model)) this.#firstUse.set(model, at);
    for (const group of this.#groups) this.#seeGroup(group, figures, at);
    if (figures.degraded === this.#degraded) return;
    this.#degraded = figures.degraded;
    if (figures.degraded) this.tell(at, 'Redis does not answer: each sidecar goes on with its share of the budgets', 'warn');
    else this.tell(at, 'Redis answers again: the budgets are shared', 'good');
  }

  #seeGroup(group: SceneGroup, { endings }: Figures, at: number): void {
    const seen = this.#seen.get(group.name)!;
    const fresh: Serving[] = [];
    for (const { model, outcome, reason, count } of endings.filter((ending) => ending.group === group.name)) {
      const key = [model, outcome, reason].join(' ');
      const before = seen.counts.get(key) ?? 0;
      seen.counts.set(key, count);
      if (count === before) continue;
      if (outcome === 'ok') fresh.push({ model, reason });
      else if (outcome !== 'client_left') this.tell(at, `${group.name}: a request failed (${reason || outcome})`, 'bad');
    }
    // Several within one look have no order: nothing has changed if the one who served is among them.
    const { serving } = seen;
    if (fresh.length === 0 || fresh.some(({ model, reason }) => model === serving?.model && reason === serving.reason)) return;
    seen.serving = fresh[0]!;
    this.#tellServing(group, seen.serving, serving, at);
  }

  #tellServing({ name, primary }: SceneGroup, { model, reason }: Serving, before: Serving | undefined, at: number): void {
    if (model === primary) return this.tell(at, `${name} -> ${model}${before === undefined ? '' : '  the primary again'}`, 'good');
    this.tell(at, `${name} -> ${model}  ${reason}`, 'warn');
    const firstUse = this.#firstUse.get(primary);
    if (!reason.startsWith('budget_') || firstUse === undefined || this.#told.has(primary)) return;
    this.#told.add(primary);
    const freeAt = firstUse + WINDOW.lengthMs + WINDOW.slackMs + WINDOW.stepMs;
    this.tell(at, `${primary} has room again at about ${clockText(freeAt)}, when its first minute is over`, 'dim');
  }
}
