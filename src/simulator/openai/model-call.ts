/** The way of every call of a model, in the order of the real one: body, model, limits, then what is wrong with the request. */
import { endCall, type Exchange } from '../exchange.ts';
import { faultName, type Fault } from '../faults.ts';
import { admit, type LiveModel } from '../models.ts';
import { pause } from '../sink.ts';
import type { Json } from './check.ts';
import { rateLimited, unknownModel, type Refusal } from './errors.ts';
import { faultRefusal } from './fault-bodies.ts';
import { limitHeaders, type Headers } from './headers.ts';
import type { Chunk } from './render.ts';
import { sendFaultyJson, sendJson, sendNonsense, sendRefusal } from './reply.ts';
import { modelOf, parseBody } from './request.ts';
import { sendStream, type Pace } from './stream.ts';

/** What limits and log need of a request. */
export type Asked = { stream: boolean; promptTokens: number; maxTokens: number };
export type Checked<R> = { request: R } | { refused: Refusal };

export type Kind<R extends Asked> = {
  /** Of a body that names no model. */
  defaultModel?: string;
  check(body: Json, model: LiveModel, lenient: boolean): Checked<R>;
  answer(exchange: Exchange, model: LiveModel, request: R, limits: Headers): Promise<void>;
};

export async function modelCall<R extends Asked>(exchange: Exchange, kind: Kind<R>): Promise<void> {
  const { core, req } = exchange;
  const parsed = parseBody(exchange.body, req.headers['content-type'], core.lenient);
  if ('refused' in parsed) return sendRefusal(exchange, parsed.refused);
  await callWith(exchange, parsed.json, kind);
}

/** @param body the members of the request, however they came */
export async function callWith<R extends Asked>(exchange: Exchange, body: Json, kind: Kind<R>): Promise<void> {
  const { core, call } = exchange;
  const named = body['model'] === undefined && kind.defaultModel !== undefined ? { model: kind.defaultModel } : modelOf(body);
  if ('refused' in named) return sendRefusal(exchange, named.refused);
  call.model = named.model;
  const model = core.models.find(named.model);
  if (model === undefined) return sendRefusal(exchange, unknownModel(named.model));
  call.model = model.name;

  // A wrong request takes a request too: failed calls count (OpenAI's rate limit guide).
  const checked = kind.check(body, model, core.lenient);
  if ('request' in checked) noteRequest(exchange, checked.request);
  const admission = admit(model, call.at, call.reservedTokens);
  const limits = limitHeaders(model, call.at);
  if (!admission.admitted) return sendRefusal(exchange, rateLimited(model.name, admission), limits);
  call.admitted = true;
  if ('refused' in checked) return sendRefusal(exchange, checked.refused, limits);
  await kind.answer(exchange, model, checked.request, limits);
}

function noteRequest({ call }: Exchange, request: Asked): void {
  call.stream = request.stream;
  call.promptTokens = request.promptTokens;
  call.maxTokens = request.maxTokens;
  // "the maximum of max_tokens and the estimated number of tokens based on the character count" (OpenAI's rate limit guide).
  call.reservedTokens = Math.max(request.maxTokens, request.promptTokens);
}

export function faultFor({ core }: Exchange, model: string, asked?: Fault): Fault {
  const queued = core.faults.take(model);
  return asked === undefined ? queued : { ...queued, ...asked };
}

/** What strikes before an answer begins. @returns false when there will be none */
export async function survives(exchange: Exchange, fault: Fault, limits: Headers, model?: LiveModel): Promise<boolean> {
  const { call, res, req } = exchange;
  call.fault = faultName(fault);
  if (fault.delayMs !== undefined && !(await pause(res, fault.delayMs))) {
    endCall(exchange, 'client-left');
    return false;
  }
  if (fault.hang === true) {
    endCall(exchange, 'hang');
    return false;
  }
  if (fault.reset === true) {
    endCall(exchange, 'reset');
    req.socket.resetAndDestroy();
    return false;
  }
  const refused = faultRefusal(fault, model?.name ?? '', call.promptTokens, model?.contextWindow ?? Infinity);
  if (refused === undefined) return true;
  await sendRefusal(exchange, refused, { ...limits, ...fault.headers }, call.fault);
  return false;
}

export type Told = {
  /** Of a streamed answer. */
  chunks: Iterable<Chunk> | undefined;
  whole: () => string;
  tokens: number;
};

/** An answer of words, in the model's pace and with what breaks it. */
export async function tell(exchange: Exchange, model: LiveModel, fault: Fault, limits: Headers, told: Told): Promise<void> {
  const { core, call, res } = exchange;
  const headers = { ...limits, ...fault.headers };
  const encoding = fault.encoding ?? core.encoding;
  const pace = { firstTokenMs: fault.firstTokenMs ?? model.firstTokenMs, tokensPerSecond: fault.tokensPerSecond ?? model.tokensPerSecond };
  const isNonsense = fault.emptyBody === true || fault.notJson === true || fault.truncatedJson === true;
  if (told.chunks !== undefined && !isNonsense) {
    return sendStream(exchange, { chunks: told.chunks, totalTokens: told.tokens, pace, fault, encoding, headers });
  }
  const whole = told.whole();
  const thinking = timeFor(pace, told.tokens);
  if (thinking > 0 && !(await pause(res, thinking))) return endCall(exchange, 'client-left');
  if (sendNonsense(exchange, fault, headers, whole)) return;
  call.completionTokens = told.tokens;
  if (call.fault === undefined && encoding === undefined) return sendJson(exchange, whole, headers);
  await sendFaultyJson(exchange, fault, whole, headers, encoding);
}

function timeFor(pace: Pace, tokens: number): number {
  return pace.firstTokenMs + (pace.tokensPerSecond > 0 ? (tokens * 1000) / pace.tokensPerSecond : 0);
}
