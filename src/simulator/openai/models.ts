/** GET /models and /models/NAME. */
import type { Exchange } from '../exchange.ts';
import type { LiveModel } from '../models.ts';
import { unknownModel } from './errors.ts';
import { sendJson, sendRefusal } from './reply.ts';

export async function listModels(exchange: Exchange): Promise<void> {
  sendJson(exchange, JSON.stringify({ object: 'list', data: exchange.core.models.list().map(describe) }), {});
}

export async function oneModel(exchange: Exchange): Promise<void> {
  const name = decodeURIComponent(exchange.path.slice('/models/'.length));
  const model = exchange.core.models.find(name);
  if (model === undefined) return sendRefusal(exchange, unknownModel(name));
  sendJson(exchange, JSON.stringify(describe(model)), {});
}

const describe = (model: LiveModel) => ({ id: model.name, object: 'model', created: 1_754_500_000, owned_by: 'system' });
