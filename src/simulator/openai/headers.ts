/** The headers that OpenAI puts on its answers. */
import { randomText } from '../random.ts';
import type { Exchange } from '../exchange.ts';
import type { LiveModel } from '../models.ts';
import type { Meter } from '../limits.ts';
import { goDuration } from './duration.ts';

export type Headers = Record<string, string>;

export function commonHeaders({ core, call }: Exchange): Headers {
  return {
    'x-request-id': `req_${randomText(core.random, 32, '0123456789abcdef')}`,
    'openai-version': '2020-10-01',
    'openai-organization': 'org-simulator',
    'openai-processing-ms': String(Math.max(0, Math.round(core.clock() - call.at))),
  };
}

export function limitHeaders(model: LiveModel, now: number): Headers {
  const headers: Headers = {};
  addLimit(headers, 'requests', model.requests, now);
  addLimit(headers, 'tokens', model.tokens, now);
  return headers;
}

function addLimit(headers: Headers, name: 'requests' | 'tokens', meter: Meter | undefined, now: number): void {
  if (meter === undefined) return;
  headers[`x-ratelimit-limit-${name}`] = String(meter.limit);
  headers[`x-ratelimit-remaining-${name}`] = String(Math.floor(meter.remaining(now) + 1e-6));
  headers[`x-ratelimit-reset-${name}`] = goDuration(meter.resetMs(now));
}
