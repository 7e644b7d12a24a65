/** An app in traffic: knows the address of its sidecar and the names of two groups, and nothing of models or budgets. */
import { Agent, request } from 'undici';
import { messageOf } from '../../wire/record.ts';
import type { Visit } from './traffic.ts';

export interface ClientCounts {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
}

/** Who served a group's requests, as the answers' headers say it. */
export interface GroupTally {
  primary: number;
  fallback: number;
  readonly reasons: Map<string, number>;
}

export interface ClientOptions {
  /** One a sidecar; the requests of a group go to them in turn. */
  readonly urls: readonly string[];
  readonly onFailure: (text: string) => void;
}

/** Longer than any answer of the simulated providers takes. */
const PATIENCE_MS = 15_000;

export class Client implements ClientCounts {
  sent = 0;
  answered = 0;
  failed = 0;
  readonly overheads: number[] = [];
  readonly groups = new Map<string, GroupTally>();
  readonly #options: ClientOptions;
  // Its own: a proxy in the environment is not for this machine.
  readonly #agent = new Agent({ headersTimeout: PATIENCE_MS, bodyTimeout: PATIENCE_MS });
  readonly #running = new Set<Promise<void>>();
  readonly #turns = new Map<string, number>();

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Not waited for: an app does not stop for one request. */
  send(visit: Visit): void {
    const { urls, onFailure } = this.#options;
    const turn = this.#turns.get(visit.group) ?? 0;
    this.#turns.set(visit.group, turn + 1);
    const url = urls[turn % urls.length]!;
    this.sent++;
    const running = this.#ask(url, visit).then(
      () => void this.answered++,
      (error: unknown) => {
        this.failed++;
        onFailure(`${visit.group}: the app got an error: ${messageOf(error)}`);
      },
    );
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Waits for what is under way. */
  async finish(): Promise<void> {
    await Promise.all(this.#running);
    await this.#agent.close();
  }

  async #ask(url: string, { group, stream, prompt }: Visit): Promise<void> {
    const { statusCode, headers, body } = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: this.#agent,
      headers: { 'content-type': 'application/json', authorization: 'Bearer any-key-will-do' },
      body: JSON.stringify({ model: group, stream, max_tokens: 100, messages: [{ role: 'user', content: prompt }] }),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`status ${statusCode}`);
    if (!isWhole(text, stream)) throw new Error('an answer that is not whole');
    this.#note(group, headers);
  }

  #note(group: string, headers: Readonly<Record<string, string | string[] | undefined>>): void {
    let tally = this.groups.get(group);
    if (tally === undefined) this.groups.set(group, (tally = { primary: 0, fallback: 0, reasons: new Map() }));
    const overhead = Number(headers['x-spillway-overhead-ms']);
    if (Number.isFinite(overhead)) this.overheads.push(overhead);
    if (headers['x-spillway-fallback'] !== 'true') {
      tally.primary++;
      return;
    }
    tally.fallback++;
    const reason = String(headers['x-spillway-reason']);
    tally.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1);
  }
}

function isWhole(text: string, stream: boolean): boolean {
  return stream ? /^data: \[DONE\]$/m.test(text) && !text.includes('"error"') : text.includes('"choices"');
}
