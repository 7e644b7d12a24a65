/** How the models of one group share the load, wherever the group stands on a road. */
import type { Balance, Config } from '../../config/types.ts';
import { meanCost } from '../../decide/balance.ts';
import type { Stage } from '../../decide/stages.ts';

export interface Sharing {
  readonly group: string;
  readonly balance: Balance;
  readonly models: readonly Sharer[];
}

interface Sharer {
  readonly model: string;
  readonly weight: number;
  /** US dollars per million tokens, three of input to one of output; null: not known. */
  readonly cost: number | null;
}

export function sharingOf(config: Config, { of, through, balance, members }: Stage): Sharing[] {
  if (members.length < 2) return [];
  const models = members.map(({ model, weight }) => ({ model, weight, cost: meanCost(config.models[model]!.price) ?? null }));
  return [{ group: through ?? of, balance, models }];
}

export function sharingText({ group, balance, models }: Sharing): string {
  return `${group} ${HOW[balance](models)}. Unwell models come last.`;
}

const HOW: Readonly<Record<Balance, (models: readonly Sharer[]) => string>> = {
  weighted: (models) => `shares the load by weight: ${shares(models)}`,
  'round-robin': (models) => `shares the load in turns: ${models.map(({ model }) => model).join(', ')}`,
  'least-busy': (models) => `tries first the model with the fewest requests of this pod under way, against its weight: ${listed(models, ({ weight }) => `weight ${weight}`)}`,
  'lowest-latency': () => 'tries first the model that was fastest to its first token of late (to its answer, where that is not streamed), and now and then one that was not measured for a while',
  'lowest-cost': (models) => `tries first the cheapest model, by three input tokens to one of output: ${listed(models, ({ cost }) => (cost === null ? 'no price, so last' : `$${cost} a million`))}`,
  'most-headroom': () => 'tries first the model with the most left of its budget, of two that are drawn',
};

function shares(models: readonly Sharer[]): string {
  const all = models.reduce((sum, { weight }) => sum + weight, 0);
  return models.map(({ model, weight }) => `${model} ${Number(((100 * weight) / all).toFixed(1))} %`).join(', ');
}

function listed(models: readonly Sharer[], about: (one: Sharer) => string): string {
  return models.map((one) => `${one.model} (${about(one)})`).join(', ');
}
