/** An attempt on a clock of our own, before a dispatcher that does what the test says. */
import { afterEach } from '@jest/globals';
import type { Dispatcher } from 'undici';
import { openai } from '../../../src/providers/openai/index.ts';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';
import type { ModelRequest } from '../../../src/providers/types.ts';
import { Attempt } from '../../../src/upstream/attempt.ts';
import type { Recovery } from '../../../src/upstream/types.ts';
import { CoarseTimer } from '../../../src/wire/coarse-timer.ts';
import { HeldBytes } from '../../../src/wire/held-bytes.ts';

const read = openAiRequestReader('chat');
let attempts: Attempt[] = [];
afterEach(() => {
  for (const attempt of attempts) attempt.closed();
  attempts = [];
});

interface Options {
  readonly stream?: boolean;
  readonly fresh?: boolean;
  readonly held?: number;
  readonly dispatch?: () => void;
  readonly recovery?: Recovery;
  readonly request?: ModelRequest;
}

export function begin(options: Options = {}) {
  let now = 0;
  const timer = new CoarseTimer(() => now, 1_000_000);
  const held = new HeldBytes(options.held ?? 1000);
  const did: string[] = [];
  const controller = { pause: () => did.push('pause'), resume: () => did.push('resume'), abort: () => did.push('abort') } as unknown as Dispatcher.DispatchController;
  const attempt = new Attempt(
    {
      dispatcher: { dispatch: options.dispatch ?? (() => true) } as unknown as Dispatcher,
      origin: 'http://x', path: '/', headers: [], body: Buffer.from(''),
      provider: openai(() => 0),
      request: options.request ?? read(Buffer.from(`{"model":"m","stream":${options.stream ?? false}}`), ''),
      timeouts: { connect: 100, firstToken: 200, idle: 50 },
      totalMs: 1000,
      freshUntil: (options.fresh ?? true) ? Infinity : -1,
      recovery: options.recovery,
    },
    { timer, held },
  ).start();
  attempts.push(attempt);
  const at = (ms: number): void => {
    now = ms;
    timer.tick();
  };
  const event = (delta: string): void => attempt.onResponseData(controller, Buffer.from(`data: {"choices":[{"index":0,"delta":${delta}}]}\n\n`));
  const headers = (type = 'text/event-stream', encoding?: string): void => attempt.onResponseStart(controller, 200, { 'content-type': type, ...(encoding && { 'content-encoding': encoding }) });
  return { attempt, controller, held, did, at, event, headers };
}

export const pending = Symbol('pending');
export const now = (promise: Promise<unknown>): Promise<unknown> => Promise.race([promise, Promise.resolve(pending).then((p) => p)]);
