/** An app, as far as these tests need one: requests, whole or streamed, over connections that are kept. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export interface Answer {
  /** 0: none came. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The transfer came to its proper end. */
  readonly complete: boolean;
  /** Of the connection, if it failed. */
  readonly error: string | undefined;
  /** When it was asked for, by `clock`. */
  readonly sentAt: number;
  readonly ms: number;
}

export interface Ask {
  readonly model: string;
  readonly prompt?: string;
  readonly maxTokens?: number;
  readonly stream?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
  /** With everything that came so far, whenever more came. */
  readonly onText?: (soFar: string) => void;
}

/** With fractions, and the same clock as the simulator's. */
export function clock(): number {
  return performance.timeOrigin + performance.now();
}

/** When the app sent it; the sidecar hands the header on, so that it stands in the simulator's log. */
export const SENT_AT = 'x-sent-at';

const shared = new Agent({ keepAlive: true });

export function closeConnections(): void {
  shared.destroy();
}

/** Never rejects. */
export function chat(url: string, { model, prompt = 'hello', maxTokens, stream = false, headers, agent, onText }: Ask): Promise<Answer> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: prompt }], stream, ...(maxTokens !== undefined && { max_tokens: maxTokens }) });
  return send(`${url}/v1/chat/completions`, { method: 'POST', body, headers: { 'content-type': 'application/json', [SENT_AT]: String(clock()), ...headers }, agent, onText });
}

export function get(url: string): Promise<Answer> {
  return send(url, { method: 'GET' });
}

interface Sending {
  readonly method: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent | undefined;
  readonly onText?: ((soFar: string) => void) | undefined;
}

function send(url: string, { method, body, headers, agent = shared, onText }: Sending): Promise<Answer> {
  const began = performance.now();
  const sentAt = clock();
  return new Promise((resolve) => {
    let status = 0;
    let got: IncomingHttpHeaders = {};
    let text = '';
    const end = (complete: boolean, error?: string): void => resolve({ status, headers: got, text, complete, error, sentAt, ms: performance.now() - began });
    const req = httpRequest(url, { method, agent, headers: { ...headers, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) } });
    req.on('response', (res) => {
      status = res.statusCode ?? 0;
      got = res.headers;
      res.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        onText?.(text);
      });
      res.on('error', (error: NodeJS.ErrnoException) => end(false, error.code));
      res.on('end', () => end(res.complete));
    });
    req.on('error', (error: NodeJS.ErrnoException) => end(false, error.code ?? error.message));
    req.end(body);
  });
}

export interface Level {
  readonly limit: number;
  readonly used: number;
  readonly resetMs: number;
}

/** The part of /status that these tests read. */
export interface Status {
  readonly config: {
    readonly hash: string;
    readonly error: null | { readonly message: string; readonly at: string; readonly problems: readonly { readonly file: string; readonly line: number; readonly column: number; readonly message: string }[] };
  };
  readonly redis: { readonly mode: string; readonly up: boolean; readonly degraded: boolean; readonly pods: number };
  readonly models: Readonly<Record<string, { readonly budgets: Readonly<Record<string, Level>> }>>;
  readonly requests: { readonly running: number };
}

export async function statusOf(admin: string): Promise<Status> {
  return JSON.parse((await get(`${admin}/status`)).text) as Status;
}

export async function metric(admin: string, name: string): Promise<number> {
  const { text } = await get(`${admin}/metrics`);
  const line = text.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  if (line === undefined) throw new Error(`no metric ${name}`);
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

/** Waits until it holds; the answer is how long that took. Generous: what has to be fast is measured. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, atMostMs = 10_000): Promise<number> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > atMostMs) throw new Error(`not within ${atMostMs} ms: ${what}`);
    await pause(5);
  }
  return performance.now() - began;
}

export interface Load {
  /** Every answer so far. */
  readonly answers: Answer[];
  /** No new requests; resolves with all answers when the last is in. */
  stop(): Promise<readonly Answer[]>;
}

/** `workers` apps at each address, each asking again as soon as it has its answer and has paused for a moment. */
export function load(urls: readonly string[], workers: number, pauseMs: number, ask: (nth: number) => Ask): Load {
  const answers: Answer[] = [];
  const stopping = new AbortController();
  let nth = 0;
  const work = async (url: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      answers.push(await chat(url, ask(nth++)));
      if (pauseMs > 0) await pause(pauseMs);
    }
  };
  const all = Promise.all(urls.flatMap((url) => Array.from({ length: workers }, () => work(url))));
  return {
    answers,
    async stop() {
      stopping.abort();
      await all;
      return answers;
    },
  };
}

/** Those that an app would call failed, briefly. */
export function failures(answers: readonly Answer[]): string[] {
  return answers.filter(({ status, complete }) => status !== 200 || !complete).map(({ status, error, text }) => `${status} ${error ?? ''} ${text.slice(0, 200)}`);
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
