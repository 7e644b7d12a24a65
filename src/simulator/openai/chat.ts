/** POST /chat/completions. */
import type { Exchange } from '../exchange.ts';
import { directivesIn } from '../fault-text.ts';
import type { LiveModel } from '../models.ts';
import { randomText } from '../random.ts';
import { planAnswer } from './answer.ts';
import type { Json } from './check.ts';
import { contextExceeded } from './errors.ts';
import type { Headers } from './headers.ts';
import { faultFor, modelCall, survives, tell, type Checked } from './model-call.ts';
import { renderChunks, renderCompletion, type Identity } from './render.ts';
import { checkChat, readChat, type ChatRequest } from './request.ts';

export function chatCompletions(exchange: Exchange): Promise<void> {
  return modelCall(exchange, { check, answer });
}

function check(body: Json, model: LiveModel, lenient: boolean): Checked<ChatRequest> {
  const refused = checkChat(body, lenient);
  if (refused !== undefined) return { refused };
  const request = readChat(body);
  return request.promptTokens + request.maxTokens > model.contextWindow
    ? { refused: contextExceeded(model.contextWindow, request.promptTokens, request.maxTokens) }
    : { request };
}

async function answer(exchange: Exchange, model: LiveModel, request: ChatRequest, limits: Headers): Promise<void> {
  const { core } = exchange;
  const { fault: asked, rest } = directivesIn(request.lastUser);
  const fault = faultFor(exchange, model.name, asked);
  if (!(await survives(exchange, fault, limits, model))) return;
  const planned = planAnswer(request, rest, model.answerTokens, fault);
  const who = identity(exchange, model, planned.toolCalls.length);
  const withUsage = fault.usageMissing !== true;
  await tell(exchange, model, fault, limits, {
    chunks: request.stream ? renderChunks(request, planned, who, request.includeUsage && withUsage, core.random) : undefined,
    whole: () => renderCompletion(request, planned, who, withUsage),
    tokens: planned.completionTokens,
  });
}

function identity({ core }: Exchange, model: LiveModel, calls: number): Identity {
  return {
    id: `chatcmpl-${randomText(core.random, 29)}`,
    created: Math.floor(core.clock() / 1000),
    model: model.datedName,
    fingerprint: 'fp_5p111w4y',
    callIds: Array.from({ length: calls }, () => `call_${randomText(core.random, 24)}`),
  };
}
