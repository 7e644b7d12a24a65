/**
 * Which is newer, what the API server says or what the mounted file says? The kubelet writes the file up to 90 s after an edit
 * and may leave versions out, so a file that differs can be older or newer.
 *
 * - While the API server answers, it alone decides. A file that differs makes us ask it again.
 * - While it does not, a change of the file counts if it cannot be an older one on its way:
 *   the file had caught up with the API's text; or that text is so old that the kubelet must have had it;
 *   or we saw every version since the file's, and this is none of them.
 * - Any other change of the file waits for the API server, or for the file's next change.
 */
import { hashOf } from '../wire/hash.ts';

/** The kubelet's period and its cache's, and some more. */
export const KUBELET_LAG_MS = 120_000;
/** Edits by API within one lag; more would be a program's, not a person's. */
const REMEMBERED = 1000;

/** `take`: it is in force now. `ask`: the API server is to be asked again. */
export type Verdict = 'take' | 'drop' | 'ask';

export class Newer {
  readonly #now: () => number;
  readonly #lagMs: number;
  #inForce = '';
  /** When the API's text came; undefined while there is none. */
  #since: number | undefined;
  #file: { readonly text: string; readonly hash: string; readonly at: number } | undefined;
  /** The file showed what is in force after it came in force. */
  #caughtUp = true;
  /** There may be versions between the file's and the one in force that we never saw. */
  #gap = false;
  readonly #older = new Set<string>();

  constructor(now: () => number, lagMs = KUBELET_LAG_MS) {
    this.#now = now;
    this.#lagMs = lagMs;
  }

  /** The object changed while nobody watched: what `api` brings next may not be the next version. */
  gap(): void {
    this.#gap = true;
  }

  /** @returns whether it differs from what is in force */
  api(text: string): boolean {
    const hash = hashOf(text);
    const changed = hash !== this.#inForce;
    if (changed && this.#inForce !== '') this.#remember(this.#inForce);
    if (changed || this.#since === undefined) {
      this.#since = this.#now();
      this.#caughtUp = false;
    }
    this.#inForce = hash;
    this.#older.delete(hash);
    if (this.agrees) this.#gap = false;
    return changed;
  }

  file(text: string, connected: boolean): Verdict {
    const hash = hashOf(text);
    this.#file = { text, hash, at: this.#now() };
    if (this.agrees) {
      this.#caughtUp = true;
      this.#gap = false;
      return 'drop';
    }
    return connected ? 'ask' : this.held(connected);
  }

  /** What becomes of a file that differed when it came, now that the API server is lost. */
  held(connected: boolean): Verdict {
    const file = this.#file;
    if (connected || file === undefined || this.agrees) return 'drop';
    const mustHaveHad = this.#since === undefined || file.at - this.#since >= this.#lagMs;
    const unseen = !this.#gap && !this.#older.has(file.hash);
    if (!this.#caughtUp && !mustHaveHad && !unseen) return 'drop';
    this.#inForce = file.hash;
    this.#older.delete(file.hash);
    this.#caughtUp = true;
    this.#gap = false;
    return 'take';
  }

  /** The API server answered after the file came: the file is older, or not of that ConfigMap. */
  confirmed(): void {
    if (this.#file === undefined || this.agrees) return;
    this.#remember(this.#file.hash);
    this.#caughtUp = false;
    // From here on the file must change to be believed.
    this.#file = { ...this.#file, at: -Infinity };
  }

  get fileText(): string | undefined {
    return this.#file?.text;
  }

  get agrees(): boolean {
    return this.#file?.hash === this.#inForce;
  }

  /** The file shows something else than what is in force, for longer than a kubelet takes. */
  get apart(): boolean {
    return this.#file !== undefined && !this.agrees && this.#since !== undefined && this.#now() - this.#since >= this.#lagMs;
  }

  #remember(hash: string): void {
    this.#older.add(hash);
    if (this.#older.size > REMEMBERED) this.#older.delete(this.#older.keys().next().value!);
  }
}
