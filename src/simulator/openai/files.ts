/** /files: uploads, their list, and their bytes back, whole or in parts. */
import { endCall, type Exchange } from '../exchange.ts';
import type { StoredFile } from '../files.ts';
import { randomText } from '../random.ts';
import { createSink } from '../sink.ts';
import { inRange, missing, one } from './check.ts';
import { refusal, type Refusal } from './errors.ts';
import { commonHeaders } from './headers.ts';
import { faultFor, survives } from './model-call.ts';
import { sendJson, sendRefusal } from './reply.ts';
import { formOf } from './uploads.ts';

const PURPOSES = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'];

export async function uploadFile(exchange: Exchange): Promise<void> {
  const { core } = exchange;
  const fault = faultFor(exchange, '');
  const form = await formOf(exchange, core.files.room());
  if (form === undefined || !(await survives(exchange, fault, {}))) return;
  const { file, fields } = form;
  const purpose = fields.get('purpose');
  if (file === undefined || file.field !== 'file') return sendRefusal(exchange, missing('file'));
  if (purpose === undefined) return sendRefusal(exchange, missing('purpose'));
  const wrong = one(PURPOSES)('purpose', purpose);
  if (wrong !== undefined) return sendRefusal(exchange, wrong);
  const stored: StoredFile = {
    id: `file-${randomText(core.random, 22)}`,
    bytes: file.size,
    createdAt: Math.floor(core.clock() / 1000),
    filename: file.filename,
    purpose,
    content: Buffer.concat(file.pieces),
  };
  core.files.add(stored);
  sendJson(exchange, JSON.stringify(describe(stored)), fault.headers ?? {});
}

export async function listFiles(exchange: Exchange): Promise<void> {
  const query = queryOf(exchange);
  const limit = Number(query.get('limit') ?? 10_000);
  const wrong = inRange('integer', 1, 10_000)('limit', limit);
  if (wrong !== undefined) return sendRefusal(exchange, wrong);
  const purpose = query.get('purpose');
  let files = exchange.core.files.list().filter((file) => purpose === null || file.purpose === purpose);
  if (query.get('order') === 'asc') files.reverse();
  const after = query.get('after');
  if (after !== null) files = files.slice(files.findIndex(({ id }) => id === after) + 1);
  const data = files.slice(0, limit).map(describe);
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  sendJson(exchange, JSON.stringify({ object: 'list', data, ...ends, has_more: files.length > limit }), {});
}

export async function oneFile(exchange: Exchange): Promise<void> {
  const file = fileOf(exchange);
  if (file === undefined) return sendRefusal(exchange, noFile(exchange));
  sendJson(exchange, JSON.stringify(describe(file)), {});
}

export async function deleteFile(exchange: Exchange): Promise<void> {
  const id = idOf(exchange);
  if (!exchange.core.files.remove(id)) return sendRefusal(exchange, noFile(exchange));
  sendJson(exchange, JSON.stringify({ id, object: 'file', deleted: true }), {});
}

export async function fileContent(exchange: Exchange): Promise<void> {
  const { req, res, call } = exchange;
  const fault = faultFor(exchange, '');
  if (!(await survives(exchange, fault, {}))) return;
  const file = fileOf(exchange);
  if (file === undefined) return sendRefusal(exchange, noFile(exchange));
  if (file.purpose === 'assistants') return sendRefusal(exchange, refusal(400, 'Not allowed to download files of purpose: assistants'));
  const range = rangeOf(req.headers.range, file.bytes);
  const headers = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes', ...commonHeaders(exchange), ...fault.headers };
  if (range === 'impossible') {
    const refused = refusal(416, 'The requested range cannot be satisfied.');
    return sendRefusal(exchange, { ...refused, headers: { 'content-range': `bytes */${file.bytes}` } });
  }
  const part = range === undefined ? file.content : file.content.subarray(range.start, range.end + 1);
  call.status = range === undefined ? 200 : 206;
  res.writeHead(call.status, {
    ...headers,
    'content-disposition': `attachment; filename="${file.filename.replaceAll(/[^\x20-\x7e]|["\\]/g, '_')}"`,
    'content-length': part.length,
    ...(range === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${file.bytes}` }),
  });
  if (call.method === 'HEAD') {
    res.end();
    return endCall(exchange, 'complete');
  }
  await pour(exchange, part, fault.cut);
}

/** In pieces and at the reader's pace; `cut` is counted in bytes here. */
async function pour(exchange: Exchange, bytes: Buffer, cut: number | undefined): Promise<void> {
  const { res, core } = exchange;
  const sink = createSink(res, { random: core.random });
  const end = cut === undefined ? bytes.length : Math.min(cut, bytes.length);
  for (let at = 0; at < end; at += PIECE) {
    if (!(await sink.write(bytes.subarray(at, Math.min(at + PIECE, end))))) return endCall(exchange, 'client-left');
  }
  if (cut === undefined) await sink.end();
  else await sink.cut();
  endCall(exchange, cut === undefined ? 'complete' : 'cut');
}

const PIECE = 64 * 1024;

/** RFC 9110, 14.2: what is no single range of bytes is as if it were not there. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | 'impossible' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') return Number(last) === 0 || size === 0 ? 'impossible' : { start: Math.max(0, size - Number(last)), end: size - 1 };
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return undefined;
  return start >= size ? 'impossible' : { start, end };
}

function describe(file: StoredFile) {
  return { object: 'file', id: file.id, purpose: file.purpose, filename: file.filename, bytes: file.bytes, created_at: file.createdAt, expires_at: null, status: 'processed', status_details: null };
}

function queryOf({ req }: Exchange): URLSearchParams {
  return new URLSearchParams((req.url ?? '').split('?')[1] ?? '');
}

function idOf({ path }: Exchange): string {
  return path.split('/')[2] ?? '';
}

function fileOf(exchange: Exchange): StoredFile | undefined {
  return exchange.core.files.find(idOf(exchange));
}

function noFile(exchange: Exchange): Refusal {
  return refusal(404, `No such File object: ${idOf(exchange)}`, null, 'id');
}
