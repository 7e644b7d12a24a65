/** /batches: the objects alone; no batch is ever worked on. */
import type { Exchange } from '../exchange.ts';
import type { StoredBatch } from '../files.ts';
import { randomText } from '../random.ts';
import { checkFirst, missing, one, type Json } from './check.ts';
import { refusal } from './errors.ts';
import { sendJson, sendRefusal } from './reply.ts';
import { parseBody } from './request.ts';

const ENDPOINTS = ['/v1/responses', '/v1/chat/completions', '/v1/embeddings', '/v1/completions', '/v1/moderations'];

export async function createBatch(exchange: Exchange): Promise<void> {
  const { core, req } = exchange;
  const parsed = parseBody(exchange.body, req.headers['content-type'], core.lenient);
  if ('refused' in parsed) return sendRefusal(exchange, parsed.refused);
  const { json } = parsed;
  const wrong = checkBatch(json) ?? (core.files.find(String(json['input_file_id'])) === undefined ? refusal(400, `Invalid input_file_id: no such File object: ${String(json['input_file_id'])}`, 'invalid_request', 'input_file_id') : undefined);
  if (wrong !== undefined) return sendRefusal(exchange, wrong);
  const batch: StoredBatch = {
    id: `batch_${randomText(core.random, 32, '0123456789abcdef')}`,
    createdAt: Math.floor(core.clock() / 1000),
    endpoint: String(json['endpoint']),
    inputFileId: String(json['input_file_id']),
    status: 'validating',
    metadata: json['metadata'] ?? null,
  };
  core.files.batches.set(batch.id, batch);
  sendJson(exchange, JSON.stringify(describe(batch)), {});
}

function checkBatch(json: Json) {
  for (const name of ['input_file_id', 'endpoint', 'completion_window']) if (typeof json[name] !== 'string') return missing(name);
  return checkFirst(one(ENDPOINTS)('endpoint', json['endpoint']), one(['24h'])('completion_window', json['completion_window']));
}

export async function oneBatch(exchange: Exchange): Promise<void> {
  await withBatch(exchange, () => undefined);
}

export async function cancelBatch(exchange: Exchange): Promise<void> {
  await withBatch(exchange, (batch) => {
    batch.status = 'cancelling';
  });
}

export async function listBatches(exchange: Exchange): Promise<void> {
  const data = [...exchange.core.files.batches.values()].toReversed().map(describe);
  sendJson(exchange, JSON.stringify({ object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: false }), {});
}

async function withBatch(exchange: Exchange, change: (batch: StoredBatch) => void): Promise<void> {
  const id = exchange.path.split('/')[2] ?? '';
  const batch = exchange.core.files.batches.get(id);
  if (batch === undefined) return sendRefusal(exchange, refusal(404, `No batch found with id '${id}'.`));
  change(batch);
  sendJson(exchange, JSON.stringify(describe(batch)), {});
}

function describe(batch: StoredBatch) {
  return {
    id: batch.id, object: 'batch', endpoint: batch.endpoint, errors: null, input_file_id: batch.inputFileId, completion_window: '24h', status: batch.status,
    output_file_id: null, error_file_id: null, created_at: batch.createdAt, expires_at: batch.createdAt + 86_400, cancelling_at: null,
    request_counts: { total: 0, completed: 0, failed: 0 }, metadata: batch.metadata,
  };
}
