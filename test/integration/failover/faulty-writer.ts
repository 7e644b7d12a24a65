/** A provider whose every call may fail in any of the ways there are, and that otherwise gives one known text. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startUpstream, type Seen, type Upstream } from '../../support/stack.ts';
import { seeded } from '../../../src/simulator/random.ts';
import { chunk, usageChunk, WORDS } from './support.ts';

export const WAYS = [
  '429', '500', '503', '400', '401', 'context', 'reset', 'hang', 'slow', 'late', 'cut', 'cut-early', 'close', 'close-early', 'stall', 'malformed', 'malformed-early',
  'error-event', 'error-event-early', 'no-done', 'empty', 'html', 'half-json', 'no-prefill', 'keep-alive',
] as const;
export type Way = (typeof WAYS)[number];

export interface FaultyWriter extends Upstream {
  /** How often each way was gone. */
  readonly gone: Map<Way, number>;
  /** Calls whose connection waits for more. */
  busy(): number;
}

export const LENGTH = 24;
export const TEXT = WORDS.slice(0, LENGTH).join('');
const USAGE = { prompt_tokens: 7, completion_tokens: LENGTH, total_tokens: 7 + LENGTH };

/** @param share of the calls that fail */
export async function startFaultyWriter(seed: number, share: number): Promise<FaultyWriter> {
  const random = seeded(seed);
  const gone = new Map<Way, number>();
  let busy = 0;
  const upstream = await startUpstream((res, seen, req) => {
    const way = random() < share ? WAYS[Math.floor(random() * WAYS.length)] : undefined;
    if (way !== undefined) gone.set(way, (gone.get(way) ?? 0) + 1);
    busy++;
    res.once('close', () => void busy--);
    answer(res, seen, req, way);
  });
  return Object.assign(upstream, { gone, busy: () => busy });
}

function answer(res: ServerResponse, { body }: Seen, req: IncomingMessage, way: Way | undefined): void {
  const { stream, messages } = JSON.parse(body.toString()) as { stream?: boolean; messages: { role: string; content: string }[] };
  const fails = (status: number, error: object, headers: object = {}): void => void res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error }));
  switch (way) {
    case '429': return fails(429, { message: 'slow down', code: 'rate_limit_exceeded' }, { 'retry-after-ms': '15' });
    case '500': return fails(500, { message: 'oh' });
    case '503': return fails(503, { message: 'oh' });
    case '400': return fails(400, { message: 'wrong', code: 'invalid_value' });
    case '401': return fails(401, { message: 'who?', code: 'invalid_api_key' });
    case 'context': return fails(400, { message: 'long', code: 'context_length_exceeded' });
    case 'reset': return void req.socket.resetAndDestroy();
    case 'hang': return;
    case 'empty': return void res.writeHead(200, { 'content-type': stream === true ? 'text/event-stream' : 'application/json' }).end();
    case 'html': return void res.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>');
    case 'no-prefill': if (messages.at(-1)!.role === 'assistant') return fails(400, { message: 'no prefill here', type: 'invalid_request_error' });
  }
  const begin = (): void => (stream === true ? streamed(res, messages, way) : whole(res, way));
  if (way === 'slow') setTimeout(begin, 120);
  else begin();
}

function whole(res: ServerResponse, way: Way | undefined): void {
  const text = JSON.stringify({ id: 'x', object: 'chat.completion', model: 'x', choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }], usage: USAGE });
  const half = text.slice(0, text.length / 2);
  res.writeHead(200, { 'content-type': 'application/json' });
  if (way === 'half-json' || way?.startsWith('close') === true) res.end(half);
  else if (way?.startsWith('cut') === true) res.write(half, () => void setTimeout(() => res.destroy(), 5));
  else if (way === 'stall') res.write(half);
  else res.end(text);
}

function streamed(res: ServerResponse, messages: readonly { role: string; content: string }[], way: Way | undefined): void {
  const said = messages.findLast(({ role }) => role === 'assistant')?.content ?? '';
  const words = WORDS.slice(said === '' ? 0 : said.trim().split(' ').length, LENGTH);
  const at = way?.endsWith('-early') === true ? 0 : Math.ceil(words.length / 2);
  const event = (word: string): string => chunk({ content: word });
  const head = chunk({ role: 'assistant', content: '' }) + words.slice(0, at).map(event).join('');
  const rest = words.slice(at).map(event).join('') + chunk({}, 'stop') + usageChunk(7, words.length);
  res.writeHead(200, { 'content-type': 'text/event-stream' }).write(head);
  const goOn = (): void => {
    if (way?.startsWith('cut') === true) res.destroy();
    else if (way?.startsWith('close') === true || way === 'half-json') res.end();
    else if (way?.startsWith('malformed') === true) res.end(`data: {"choices":[{"index":0,"delta":{"content":" w\n\n${rest}data: [DONE]\n\n`);
    else if (way?.startsWith('error-event') === true) res.end('data: {"error":{"message":"oh","type":"server_error"}}\n\n');
    else if (way === 'keep-alive') res.end(`data: [keep-alive]\n\n${rest}data: [DONE]\n\n`);
    else if (way !== 'stall') res.end(rest + (way === 'no-done' ? '' : 'data: [DONE]\n\n'));
  };
  setTimeout(goOn, way === 'late' ? 60 : 8);
}
