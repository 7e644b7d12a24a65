/** POST /chat/completions, in the order of the real one: body, model, limits, then what is wrong with the request. */
import { endCall, type Exchange } from '../exchange.ts';
import { faultName } from '../faults.ts';
import { directivesIn } from '../fault-text.ts';
import { admit, type LiveModel } from '../models.ts';
import { randomText } from '../random.ts';
import { pause } from '../sink.ts';
import { planAnswer } from './answer.ts';
import type { Json } from './check.ts';
import { contextExceeded, rateLimited, unknownModel, type Refusal } from './errors.ts';
import { faultRefusal } from './fault-bodies.ts';
import { limitHeaders, type Headers } from './headers.ts';
import { renderChunks, renderCompletion, type Identity } from './render.ts';
import { sendFaultyJson, sendJson, sendNonsense, sendRefusal } from './reply.ts';
import { checkChat, modelOf, parseBody, readChat, type ChatRequest } from './request.ts';
import { sendStream, type Pace } from './stream.ts';

export async function chatCompletions(exchange: Exchange): Promise<void> {
  const { core, call, req } = exchange;
  const parsed = parseBody(exchange.body, req.headers['content-type'], core.lenient);
  if ('refused' in parsed) return sendRefusal(exchange, parsed.refused);
  const named = modelOf(parsed.json);
  if ('refused' in named) return sendRefusal(exchange, named.refused);
  call.model = named.model;
  const model = core.models.find(named.model);
  if (model === undefined) return sendRefusal(exchange, unknownModel(named.model));
  call.model = model.name;

  // A wrong request takes a request too: failed calls count (OpenAI's rate limit guide).
  const checked = readChecked(parsed.json, model, core.lenient);
  if ('request' in checked) noteRequest(exchange, checked.request);
  const admission = admit(model, call.at, call.reservedTokens);
  const limits = limitHeaders(model, call.at);
  if (!admission.admitted) return sendRefusal(exchange, rateLimited(model.name, admission), limits);
  call.admitted = true;
  if ('refused' in checked) return sendRefusal(exchange, checked.refused, limits);
  await answerChat(exchange, model, checked.request, limits);
}

type Checked = { request: ChatRequest } | { refused: Refusal };

function readChecked(body: Json, model: LiveModel, lenient: boolean): Checked {
  const refused = checkChat(body, lenient);
  if (refused !== undefined) return { refused };
  const request = readChat(body);
  return request.promptTokens + request.maxTokens > model.contextWindow
    ? { refused: contextExceeded(model.contextWindow, request.promptTokens, request.maxTokens) }
    : { request };
}

function noteRequest({ call }: Exchange, request: ChatRequest): void {
  call.stream = request.stream;
  call.promptTokens = request.promptTokens;
  call.maxTokens = request.maxTokens;
  // "the maximum of max_tokens and the estimated number of tokens based on the character count" (OpenAI's rate limit guide).
  call.reservedTokens = Math.max(request.maxTokens, request.promptTokens);
}

async function answerChat(exchange: Exchange, model: LiveModel, request: ChatRequest, limits: Headers): Promise<void> {
  const { core, call, res, req } = exchange;
  const { fault: asked, rest } = directivesIn(request.lastUser);
  const fault = asked === undefined ? core.faults.take(model.name) : { ...core.faults.take(model.name), ...asked };
  call.fault = faultName(fault);
  if (fault.delayMs !== undefined && !(await pause(res, fault.delayMs))) return endCall(exchange, 'client-left');
  if (fault.hang === true) return endCall(exchange, 'hang');
  if (fault.reset === true) {
    endCall(exchange, 'reset');
    req.socket.resetAndDestroy();
    return;
  }
  const headers = { ...limits, ...fault.headers };
  const refused = faultRefusal(fault, model.name, request.promptTokens, model.contextWindow);
  if (refused !== undefined) return sendRefusal(exchange, refused, headers, call.fault);

  const answer = planAnswer(request, rest, model.answerTokens, fault);
  const who = identity(exchange, model, answer.toolCalls.length);
  const pace = { firstTokenMs: fault.firstTokenMs ?? model.firstTokenMs, tokensPerSecond: fault.tokensPerSecond ?? model.tokensPerSecond };
  const isNonsense = fault.emptyBody === true || fault.notJson === true || fault.truncatedJson === true;
  if (request.stream && !isNonsense) {
    const withUsage = request.includeUsage && fault.usageMissing !== true;
    const chunks = renderChunks(request, answer, who, withUsage, core.random);
    return sendStream(exchange, { chunks, totalTokens: answer.completionTokens, pace, fault, encoding: fault.encoding ?? core.encoding, headers });
  }
  const whole = renderCompletion(request, answer, who, fault.usageMissing !== true);
  const thinking = timeFor(pace, answer.completionTokens);
  if (thinking > 0 && !(await pause(res, thinking))) return endCall(exchange, 'client-left');
  if (sendNonsense(exchange, fault, headers, whole)) return;
  call.completionTokens = answer.completionTokens;
  const encoding = fault.encoding ?? core.encoding;
  if (call.fault === undefined && encoding === undefined) return sendJson(exchange, whole, headers);
  await sendFaultyJson(exchange, fault, whole, headers, encoding);
}

function timeFor(pace: Pace, tokens: number): number {
  return pace.firstTokenMs + (pace.tokensPerSecond > 0 ? (tokens * 1000) / pace.tokensPerSecond : 0);
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
