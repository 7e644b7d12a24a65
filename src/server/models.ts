/** `GET /v1/models`, in OpenAI's format: every name that an app may put in `model`. */
import type { Response } from 'express';
import { SpillwayError } from '../errors.ts';
import { printable } from './read.ts';
import type { Runtime } from './runtime.ts';

export function listModels(res: Response, runtime: Runtime): void {
  res.json({ object: 'list', data: [...runtime.routes.keys()].map((id) => modelObject(id, runtime)) });
}

export function oneModel(name: string, res: Response, runtime: Runtime): void {
  if (!runtime.routes.has(name)) throw new SpillwayError('model_not_found', [printable(name), runtime.known]);
  res.json(modelObject(name, runtime));
}

function modelObject(id: string, { loadedAt }: Runtime): object {
  return { id, object: 'model', created: Math.floor(loadedAt.getTime() / 1000), owned_by: 'spillway' };
}
