/** A stack with any configuration, the official client's view of one request, and an upstream that can go on from a text. */
import OpenAI, { APIError } from 'openai';
import type { ServerResponse } from 'node:http';
import { freePort } from '../../support/redis.ts';
import { CHAT, hi, startStack, startUpstream, type Seen, type Stack, type StackOptions, type Upstream } from '../../support/stack.ts';

/** The reference's, written out: what the catalogue shows is what a user gets who sets nothing. */
export const DEFAULT_POLICY = {
  retry: { attempts: 1, backoff: '250ms', maxBackoff: '8s', honourRetryAfter: '10s' },
  deadline: '600s',
  maxAttempts: 6,
  timeouts: { connect: '5s', firstToken: '30s', idle: '30s', total: '600s' },
  breaker: { failures: 5, window: '60s', open: '30s' },
  streamRecovery: 'error',
  hedge: null,
  wait: '0ms',
};

type Policy = Partial<{ [K in keyof typeof DEFAULT_POLICY]: (typeof DEFAULT_POLICY)[K] extends string ? string : unknown }>;

/** The defaults with what a row says otherwise, key by key. */
export function policyWith({ retry, timeouts, breaker, ...rest }: Policy = {}): object {
  const under = (name: 'retry' | 'timeouts' | 'breaker', over: unknown): object => ({ ...DEFAULT_POLICY[name], ...(over as object | undefined) });
  return { ...DEFAULT_POLICY, ...rest, retry: under('retry', retry), timeouts: under('timeouts', timeouts), breaker: under('breaker', breaker) };
}

export interface FailoverOptions {
  /** Of each model: undefined leaves it as it is. `primary` and `backup` are always there. */
  readonly models?: Record<string, object>;
  readonly groups?: Record<string, object>;
  readonly policy?: Policy;
  /** More of the configuration: drills, tasks, redis. */
  readonly config?: object;
  readonly simulator?: StackOptions['simulator'];
  readonly sidecar?: StackOptions['sidecar'];
  readonly env?: Record<string, string>;
}

export const LIMITS = { requestsPerMinute: 100_000, tokensPerMinute: 100_000_000, concurrency: 5000 };

/** The usual chain with limits on every model, so that what is held and charged can be read. */
export async function startFailover(options: FailoverOptions = {}): Promise<Stack> {
  const port = await freePort();
  const model = (name: string, more: object = {}): object => ({ provider: 'openai', model: `sim-${name}`, baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: { env: 'PRIMARY_KEY' }, limits: LIMITS, ...more });
  const names = new Set(['primary', 'backup', ...Object.keys(options.models ?? {})]);
  const config = {
    models: Object.fromEntries([...names].map((name) => [name, model(name, options.models?.[name])])),
    groups: { chat: CHAT, ...options.groups },
    policy: policyWith(options.policy),
    ...options.config,
  };
  const text = JSON.stringify(config);
  return startStack({
    simulator: { port, ...options.simulator },
    sidecar: { source: { name: 'spillway.yaml', open: (onText) => Promise.resolve(onText(text)), close: () => undefined }, ...options.sidecar },
    ...(options.env && { env: options.env }),
  });
}

/** What the app's own client made of one request. */
export interface Got {
  /** `broken`: it began, and then the client threw. */
  readonly how: 'whole' | 'broken' | 'refused';
  readonly text: string;
  readonly finish: string | null | undefined;
  readonly usage: { readonly input: number; readonly output: number } | undefined;
  readonly status: number | undefined;
  /** The error's class and code. */
  readonly error: string | undefined;
  readonly code: string | null | undefined;
  readonly headers: Headers | undefined;
  readonly ms: number;
}

type Body = Omit<OpenAI.ChatCompletionCreateParams, 'stream'>;

/** One request by the official client, which tries only once here. */
export async function take(client: OpenAI, body: Body, stream: boolean, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Got> {
  const from = performance.now();
  const so = { text: '', finish: undefined as string | null | undefined, usage: undefined as Got['usage'], status: undefined as number | undefined, headers: undefined as Headers | undefined };
  const noteUsage = (usage: OpenAI.CompletionUsage | null | undefined): void => {
    if (usage) so.usage = { input: usage.prompt_tokens, output: usage.completion_tokens };
  };
  const got = (how: Got['how'], error?: APIError): Got => ({
    ...so, how, status: so.status ?? error?.status, error: error?.constructor.name, code: error?.code, headers: so.headers ?? error?.headers, ms: performance.now() - from,
  });
  const options = { headers, ...(signal && { signal }) };
  try {
    if (!stream) {
      const { data, response } = await client.chat.completions.create(body, options).withResponse();
      so.headers = response.headers;
      so.status = response.status;
      so.text = data.choices[0]?.message.content ?? '';
      so.finish = data.choices[0]?.finish_reason;
      noteUsage(data.usage);
      return got(so.finish ? 'whole' : 'broken');
    }
    const { data, response } = await client.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } }, options).withResponse();
    so.headers = response.headers;
    so.status = response.status;
    for await (const chunk of data) {
      so.text += chunk.choices[0]?.delta.content ?? '';
      so.finish = chunk.choices[0]?.finish_reason ?? so.finish;
      noteUsage(chunk.usage);
    }
    return got(so.finish ? 'whole' : 'broken');
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return got(so.status === undefined ? 'refused' : 'broken', error);
  }
}

export const header = ({ headers }: Got, name: string): string | null => headers?.get(`x-spillway-${name}`) ?? null;

export const askHi = (content = 'hi'): Body => hi({ messages: [{ role: 'user', content }] }) as Body;

/** Of one length, as bytes of events: what is counted in them is then exact. */
export const WORDS: readonly string[] = Array.from({ length: 60 }, (_, i) => (i === 0 ? 'w000' : ` w${String(i).padStart(2, '0')}`));

export const chunk = (delta: object, finish: string | null = null, id = 'writer'): string =>
  `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 1, model: id, choices: [{ index: 0, delta, finish_reason: finish }], usage: null })}\n\n`;
export const usageChunk = (input: number, output: number, id = 'writer'): string =>
  `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 1, model: id, choices: [], usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output } })}\n\n`;

export interface WriterOptions {
  readonly prefill?: boolean;
  readonly id?: string;
  /** Its connection breaks after so many words of its own. */
  readonly cut?: number;
  /** Until it begins, if it is not to go on from a text. */
  readonly delayMs?: number;
}

/** A model that knows one text of 60 words, and goes on from wherever it is asked to. */
export function startWriter(options: WriterOptions = {}): Promise<Upstream> {
  return startUpstream((res, seen) => write(res, seen, options));
}

function write(res: ServerResponse, { body }: Seen, { prefill = true, id = 'writer', cut, delayMs = 0 }: WriterOptions): void {
  const { messages } = JSON.parse(body.toString()) as { messages: { role: string; content: string }[] };
  if (messages.at(-1)!.role === 'assistant' && !prefill) {
    // As Anthropic's newest models say it: no code, and no name of a parameter.
    const error = { message: 'This model does not support assistant message prefill. The conversation must end with a user message.', type: 'invalid_request_error', param: null, code: null };
    res.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    return;
  }
  const said = messages.findLast(({ role }) => role === 'assistant')?.content ?? '';
  const begin = said === '' ? 0 : said.trim().split(' ').length;
  const words = WORDS.slice(begin, cut === undefined ? undefined : begin + cut);
  const begun = (): void => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write(chunk({ role: 'assistant', content: '' }, null, id) + words.map((word) => chunk({ content: word }, null, id)).join(''));
    if (cut === undefined) res.end(chunk({}, 'stop', id) + usageChunk(7, words.length, id) + 'data: [DONE]\n\n');
    else setTimeout(() => res.destroy(), 30);
  };
  if (said === '' && delayMs > 0) setTimeout(begun, delayMs);
  else begun();
}
