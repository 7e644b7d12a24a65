/** A plain client that reports everything: status, headers, the pieces as they came, and how it ended. */
import { request, type IncomingHttpHeaders } from 'node:http';

export type Reply = {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  text: string;
  /** `whole`, or the code of the error that broke it off. */
  end: string;
  firstByteMs: number;
  headersMs: number;
  totalMs: number;
};

export type Ask = { path?: string; method?: string; headers?: Record<string, string>; signal?: AbortSignal; timeoutMs?: number };

export const hello = (extra: object = {}): object => ({ model: 'gpt-5-nano', messages: [{ role: 'user', content: 'hi' }], ...extra });

export function ask(url: string, body: object | string | Buffer | undefined, options: Ask = {}): Promise<Reply> {
  const started = performance.now();
  const since = (): number => performance.now() - started;
  return new Promise((resolve) => {
    const reply: Reply = { status: 0, headers: {}, body: Buffer.alloc(0), text: '', end: 'none', firstByteMs: 0, headersMs: 0, totalMs: 0 };
    const chunks: Buffer[] = [];
    const settle = (end: string): void => {
      if (reply.end !== 'none') return;
      reply.end = end;
      reply.body = Buffer.concat(chunks);
      reply.text = reply.body.toString();
      reply.totalMs = since();
      resolve(reply);
    };
    const req = request(url + (options.path ?? '/v1/chat/completions'), {
      method: options.method ?? 'POST',
      agent: false,
      headers: { authorization: 'Bearer sk-test', 'content-type': 'application/json', ...options.headers },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (options.timeoutMs !== undefined) req.setTimeout(options.timeoutMs, () => req.destroy(Object.assign(new Error('timeout'), { code: 'TIMEOUT' })));
    req.on('response', (res) => {
      reply.status = res.statusCode ?? 0;
      reply.headers = res.headers;
      reply.headersMs = since();
      res.on('data', (chunk: Buffer) => {
        if (chunks.length === 0) reply.firstByteMs = since();
        chunks.push(chunk);
      });
      res.on('end', () => settle('whole'));
      res.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    });
    req.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    req.end(body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  });
}

/** The data of each event. */
export function events(text: string): string[] {
  return text.split(/\r?\n\r?\n/).filter((event) => event !== '').map((event) => event.replace(/^data: /, ''));
}

type Delta = { choices: { index: number; delta: { content?: string }; finish_reason: string | null }[]; usage?: unknown; obfuscation?: string };

export function chunksOf(text: string): Delta[] {
  return events(text).filter((data) => data !== '[DONE]').map((data) => JSON.parse(data) as Delta);
}

export function contentOf(text: string, index = 0): string {
  return chunksOf(text).flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index).map((choice) => choice.delta.content ?? '').join('');
}
