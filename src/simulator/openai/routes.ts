/** Where each path goes; a new endpoint is one line here. */
import type { Exchange } from '../exchange.ts';
import { chatCompletions } from './chat.ts';
import { noKey, unknownUrl, wrongKey, wrongMethod } from './errors.ts';
import { listModels, oneModel } from './models.ts';
import { sendRefusal } from './reply.ts';

type Route = { method: 'GET' | 'POST'; path: RegExp; handle: (exchange: Exchange) => Promise<void> };

const ROUTES: readonly Route[] = [
  { method: 'POST', path: /^\/chat\/completions$/, handle: chatCompletions },
  { method: 'GET', path: /^\/models$/, handle: listModels },
  { method: 'GET', path: /^\/models\/[^/]+$/, handle: oneModel },
];

export async function route(exchange: Exchange): Promise<void> {
  const { call, path, core } = exchange;
  const here = ROUTES.filter((candidate) => candidate.path.test(path));
  const found = here.find((candidate) => candidate.method === call.method);
  if (here.length === 0) return sendRefusal(exchange, unknownUrl(call.method, call.path));
  if (found === undefined) return sendRefusal(exchange, wrongMethod(call.method, core.prefix + path));
  const key = /^Bearer\s+(\S+)\s*$/i.exec(call.authorization ?? '')?.[1];
  if (key === undefined) return sendRefusal(exchange, noKey());
  if (core.apiKeys !== undefined && !core.apiKeys.has(key)) return sendRefusal(exchange, wrongKey(key));
  await found.handle(exchange);
}
