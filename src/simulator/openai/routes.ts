/** Where each path goes; a new endpoint is one line here. */
import type { Exchange } from '../exchange.ts';
import { speech, transcriptions } from './audio.ts';
import { cancelBatch, createBatch, listBatches, oneBatch } from './batches.ts';
import { chatCompletions } from './chat.ts';
import { completions } from './completions.ts';
import { embeddings } from './embeddings.ts';
import { noKey, unknownUrl, wrongKey, wrongMethod } from './errors.ts';
import { deleteFile, fileContent, listFiles, oneFile, uploadFile } from './files.ts';
import { listModels, oneModel } from './models.ts';
import { moderations } from './moderations.ts';
import { sendRefusal } from './reply.ts';

type Route = {
  method: 'GET' | 'HEAD' | 'POST' | 'DELETE';
  path: RegExp;
  handle: (exchange: Exchange) => Promise<void>;
  /** Reads the body itself, as it comes. */
  streamed?: true;
};

const ROUTES: readonly Route[] = [
  { method: 'POST', path: /^\/chat\/completions$/, handle: chatCompletions },
  { method: 'POST', path: /^\/completions$/, handle: completions },
  { method: 'POST', path: /^\/embeddings$/, handle: embeddings },
  { method: 'POST', path: /^\/moderations$/, handle: moderations },
  { method: 'POST', path: /^\/audio\/speech$/, handle: speech },
  { method: 'POST', path: /^\/audio\/transcriptions$/, handle: transcriptions, streamed: true },
  { method: 'POST', path: /^\/files$/, handle: uploadFile, streamed: true },
  { method: 'GET', path: /^\/files$/, handle: listFiles },
  { method: 'GET', path: /^\/files\/[^/]+$/, handle: oneFile },
  { method: 'DELETE', path: /^\/files\/[^/]+$/, handle: deleteFile },
  { method: 'GET', path: /^\/files\/[^/]+\/content$/, handle: fileContent },
  { method: 'HEAD', path: /^\/files\/[^/]+\/content$/, handle: fileContent },
  { method: 'POST', path: /^\/batches$/, handle: createBatch },
  { method: 'GET', path: /^\/batches$/, handle: listBatches },
  { method: 'GET', path: /^\/batches\/[^/]+$/, handle: oneBatch },
  { method: 'POST', path: /^\/batches\/[^/]+\/cancel$/, handle: cancelBatch },
  { method: 'GET', path: /^\/models$/, handle: listModels },
  { method: 'GET', path: /^\/models\/[^/]+$/, handle: oneModel },
];

export function findRoute({ path, call }: Exchange): Route | undefined {
  return ROUTES.find((candidate) => candidate.method === call.method && candidate.path.test(path));
}

export async function route(exchange: Exchange, found: Route | undefined): Promise<void> {
  const { call, path, core } = exchange;
  if (found === undefined) {
    const isKnown = ROUTES.some((candidate) => candidate.path.test(path));
    return sendRefusal(exchange, isKnown ? wrongMethod(call.method, core.prefix + path) : unknownUrl(call.method, call.path));
  }
  const key = /^Bearer\s+(\S+)\s*$/i.exec(call.authorization ?? '')?.[1];
  if (key === undefined) return sendRefusal(exchange, noKey());
  if (core.apiKeys !== undefined && !core.apiKeys.has(key)) return sendRefusal(exchange, wrongKey(key));
  await found.handle(exchange);
}
