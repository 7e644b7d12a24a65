/** The catalogue: every way in which a provider can fail, and what the app must see of it. */
import { expect } from '@jest/globals';
import type { FaultSpec } from '../../../src/simulator/server.ts';
import { later, startUpstream } from '../../support/stack.ts';
import { during, type Mode, type Row } from './row.ts';
import { startWriter, WORDS, type FailoverOptions } from './support.ts';

const BOTH: readonly Mode[] = ['JSON', 'stream'];
const STREAM: readonly Mode[] = ['stream'];
const ALWAYS = { count: Infinity };
const alone: FailoverOptions = { groups: { chat: { models: ['primary'] } } };
const on = (fault: FaultSpec): FaultSpec[] => [{ ...fault, model: 'sim-primary' }];
/** Slow enough that what was sent has arrived when the connection breaks. */
const midway = (fault: FaultSpec): FaultSpec[] => on({ tokensPerSecond: 600, ...fault });

const diverted = (reason: string, primary = 1): Row['wanted'] => ({ how: 'whole', from: 'backup', reason, calls: { primary, backup: 1 } });
const byPrimary = (primary: number): Row['wanted'] => ({ how: 'whole', from: 'primary', calls: { primary } });
const brokeOff = (code: string): Row['wanted'] => ({ how: 'broken', from: 'primary', code, error: 'APIError', calls: { primary: 1 } });

const beforeTheAnswer: Row[] = [
  {
    fault: '429 once, Retry-After 2', modes: BOTH, faults: on({ status: 429, retryAfter: 2 }), wanted: diverted('rate_limited'),
    async next(stack, seen) {
      // The primary's rest began a little before its answer came here.
      const { primary } = seen();
      const served = await during(stack, 1500, 5);
      expect({ served, calls: seen()['primary'] }).toEqual({ served: Array(5).fill('backup'), calls: primary });
      await later(700);
      expect(await during(stack, 0, 1)).toEqual(['primary']);
      return 'no call of the primary for 2 s, then it serves again';
    },
  },
  { fault: '429 once, Retry-After 2', set: 'wait: 3s', modes: BOTH, options: { policy: { wait: '3s' } }, faults: on({ status: 429, retryAfter: 2 }), wanted: { ...byPrimary(2), atLeast: 1.8, atMost: 2.3 } },
  { fault: '429 once, Retry-After 2', set: 'no fallback', modes: BOTH, options: alone, faults: on({ status: 429, retryAfter: 2 }), wanted: { ...byPrimary(2), atLeast: 1.8, atMost: 2.3 } },
  { fault: '429 once, Retry-After 20', set: 'no fallback', modes: BOTH, options: alone, faults: on({ status: 429, retryAfter: 20 }), wanted: { how: 'refused', reason: 'rate_limited', status: 429, code: 'rate_limited', error: 'RateLimitError', calls: { primary: 1 } } },
  {
    fault: '429 without end', modes: BOTH, faults: on({ status: 429, retryAfter: 1, ...ALWAYS }), wanted: diverted('rate_limited'),
    async next(stack, seen) {
      const served = await during(stack, 1800, 12);
      expect(new Set(served)).toEqual(new Set(['backup']));
      expect(seen()['primary']).toBeLessThanOrEqual(3);
      return `12 more requests in 1.8 s: the backup serves all, ${seen()['primary']! - 1} of them asked the primary first`;
    },
  },
  { fault: '429 without end', set: 'no fallback, honourRetryAfter: 2s', modes: BOTH, options: { ...alone, policy: { retry: { honourRetryAfter: '2s' } } }, faults: on({ status: 429, retryAfter: 1, ...ALWAYS }), wanted: { how: 'refused', reason: 'rate_limited', status: 429, code: 'rate_limited', error: 'RateLimitError', calls: { primary: 3 }, atLeast: 2, atMost: 2.3 } },
  { fault: '429, no quota left', modes: BOTH, faults: on({ status: 429, code: 'insufficient_quota' }), wanted: diverted('quota_exhausted') },
  { fault: '401', modes: BOTH, faults: on({ status: 401 }), wanted: diverted('auth') },
  { fault: '500 once', modes: BOTH, faults: on({ status: 500 }), wanted: byPrimary(2) },
  { fault: '500 once', set: 'retry.attempts: 0', modes: BOTH, options: { policy: { retry: { attempts: 0 } } }, faults: on({ status: 500 }), wanted: diverted('server_error') },
  { fault: '503 without end', modes: BOTH, faults: on({ status: 503, ...ALWAYS }), wanted: diverted('overloaded', 2) },
  { fault: '503 without end', set: 'no fallback', modes: BOTH, options: alone, faults: on({ status: 503, ...ALWAYS }), wanted: { how: 'refused', reason: 'overloaded', status: 503, code: 'overloaded', error: 'InternalServerError', calls: { primary: 2 } } },
  { fault: 'reset before the headers, once', modes: BOTH, faults: on({ reset: true }), wanted: byPrimary(2) },
  { fault: 'reset before the headers, without end', modes: BOTH, faults: on({ reset: true, ...ALWAYS }), wanted: diverted('connection', 2) },
  { fault: 'no answer at all', set: 'firstToken: 300ms', modes: STREAM, options: { policy: { timeouts: { firstToken: '300ms' } } }, faults: on({ hang: true }), wanted: { ...diverted('timeout'), atLeast: 0.3 } },
  { fault: 'no answer at all', set: 'total: 300ms', modes: ['JSON'], options: { policy: { timeouts: { total: '300ms' } } }, faults: on({ hang: true }), wanted: { ...diverted('timeout'), atLeast: 0.3 } },
  { fault: 'no answer at all', set: 'firstToken: 300ms, no fallback', modes: STREAM, options: { ...alone, policy: { timeouts: { firstToken: '300ms' } } }, faults: on({ hang: true }), wanted: { how: 'refused', reason: 'timeout', status: 504, code: 'timeout', error: 'InternalServerError', calls: { primary: 1 }, atLeast: 0.3 } },
  { fault: 'headers, and no first token in time', set: 'firstToken: 300ms', modes: STREAM, options: { policy: { timeouts: { firstToken: '300ms' } } }, faults: on({ firstTokenMs: 60_000 }), wanted: { ...diverted('timeout'), atLeast: 0.3 } },
  { fault: '200, and an error event before the first token', modes: STREAM, faults: on({ errorEvent: 0 }), wanted: byPrimary(2) },
  { fault: 'half of a JSON answer, then a reset', modes: ['JSON'], faults: on({ cut: 30 }), wanted: byPrimary(2) },
];

const midwayRows: Row[] = [
  { fault: 'cut after 40 of 60 tokens', modes: STREAM, faults: midway({ cut: 40 }), wanted: brokeOff('connection') },
  { fault: 'cut after 40 of 60 tokens', set: 'streamRecovery: buffer', modes: STREAM, options: { policy: { streamRecovery: 'buffer' } }, faults: midway({ cut: 40 }), wanted: byPrimary(2) },
  { fault: 'cut after 40 of 60 tokens, each time', set: 'streamRecovery: buffer', modes: STREAM, options: { policy: { streamRecovery: 'buffer' } }, faults: midway({ cut: 40, ...ALWAYS }), wanted: diverted('connection', 2) },
  ...([['', true], [', whose server refuses prefill', false]] as const).map(([words, prefill]): Row => ({
    fault: `cut after 40 of 60 tokens; a fallback that goes on${words}`, set: 'streamRecovery: continue', modes: STREAM, options: { policy: { streamRecovery: 'continue' } },
    upstreams: async () => ({ primary: await startWriter({ cut: 40, id: 'first' }), backup: await startWriter({ prefill, id: 'second' }) }),
    wanted: { how: 'whole', from: 'primary', attempts: 1, calls: { primary: 1, backup: prefill ? 1 : 2 } },
  })),
  {
    fault: 'cut after 40 of 60 tokens, and the fallback after 10 more', set: 'streamRecovery: continue', modes: STREAM, options: { policy: { streamRecovery: 'continue' } },
    upstreams: async () => ({ primary: await startWriter({ cut: 40 }), backup: await startWriter({ cut: 10 }) }),
    wanted: { ...brokeOff('connection'), attempts: 1, calls: { primary: 1, backup: 1 } },
  },
  { fault: 'a clean end after 40 of 60 tokens', modes: STREAM, faults: midway({ close: 40 }), wanted: brokeOff('malformed_response') },
  { fault: 'silence after 40 of 60 tokens', set: 'idle: 300ms', modes: STREAM, options: { policy: { timeouts: { idle: '300ms' } } }, faults: midway({ stall: { after: 40, ms: 60_000 } }), wanted: { ...brokeOff('timeout'), atLeast: 0.3 } },
  { fault: 'silence after 40 of 60 tokens', set: 'idle: 300ms, streamRecovery: buffer', modes: STREAM, options: { policy: { timeouts: { idle: '300ms' }, streamRecovery: 'buffer' } }, faults: midway({ stall: { after: 40, ms: 60_000 } }), wanted: { ...byPrimary(2), atLeast: 0.3 } },
  {
    fault: 'a damaged event in which no text can have stood', modes: STREAM,
    upstreams: async () => ({ primary: await startUpstream((res) => {
      const event = (delta: object, finish: string | null = null): string => `data: ${JSON.stringify({ id: 'x', model: 'x', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
      const words = WORDS.map((content) => event({ content }));
      const usage = `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 60, total_tokens: 67 } })}\n\n`;
      res.writeHead(200, { 'content-type': 'text/event-stream' }).end([...words.slice(0, 30), 'data: [keep-alive]\n\n', ...words.slice(30), event({}, 'stop'), usage, 'data: [DONE]\n\n'].join(''));
    }) }),
    wanted: byPrimary(1),
    async next({ log }) {
      await later(0);
      expect(log.filter((line) => line.includes('damaged events'))).toHaveLength(1);
      return 'the event is left out, counted and logged';
    },
  },
  { fault: 'a damaged event in which text may have stood, first', modes: STREAM, faults: on({ malformed: 1 }), wanted: byPrimary(2) },
  { fault: 'a damaged event in which text may have stood, the 40th', modes: STREAM, faults: midway({ malformed: 40 }), wanted: brokeOff('malformed_response') },
  { fault: 'no [DONE] after a proper end', modes: STREAM, faults: on({ noDone: true }), wanted: byPrimary(1) },
];

const long = { long: {} };
const theirOwn = (code: string): Row['wanted'] => ({ how: 'refused', from: 'primary', status: 400, code, error: 'BadRequestError', calls: { primary: 1 } });
const aboutTheRequest: Row[] = [
  { fault: 'the prompt is too long', modes: BOTH, faults: on({ contextLength: true }), wanted: theirOwn('context_length_exceeded') },
  { fault: 'the prompt is too long', set: 'contextWindowFallback', modes: BOTH, options: { models: long, groups: { chat: { models: ['primary'], fallback: ['backup'], contextWindowFallback: ['long'] } } }, faults: on({ contextLength: true }), wanted: { how: 'whole', from: 'long', reason: 'context_window', calls: { primary: 1, long: 1 } } },
  { fault: 'the prompt is too long', set: 'contextWindowFallback, contextWindow: 50', modes: BOTH, options: { models: { primary: { contextWindow: 50 }, long: {} }, groups: { chat: { models: ['primary'], fallback: ['backup'], contextWindowFallback: ['long'] } } }, wanted: { how: 'whole', from: 'long', reason: 'context_window', calls: { long: 1 } } },
  { fault: 'the prompt is too long, and the long model is down', set: 'contextWindowFallback', modes: BOTH, options: { models: long, groups: { chat: { models: ['primary'], fallback: ['backup'], contextWindowFallback: ['long'] } } }, faults: [...on({ contextLength: true }), { model: 'sim-long', status: 503, ...ALWAYS }], wanted: { ...theirOwn('context_length_exceeded'), attempts: 3, calls: { primary: 1, long: 2 } } },
  { fault: 'the content is refused', modes: BOTH, faults: on({ contentFilter: 'error' }), wanted: theirOwn('content_policy_violation') },
  { fault: 'the content is refused', set: 'contentPolicyFallback', modes: BOTH, options: { models: { lax: {} }, groups: { chat: { models: ['primary'], fallback: ['backup'], contentPolicyFallback: ['lax'] } } }, faults: on({ contentFilter: 'error' }), wanted: { how: 'whole', from: 'lax', reason: 'content_policy', calls: { primary: 1, lax: 1 } } },
  { fault: "the caller's own mistake (400)", modes: BOTH, faults: on({ status: 400 }), wanted: { ...theirOwn(''), code: null as unknown as string } },
];

export const ROWS: readonly Row[] = [...beforeTheAnswer, ...midwayRows, ...aboutTheRequest];
