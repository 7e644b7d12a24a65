/** One model on a road: where it stands, and what the request would take from it. */
import type { Dimension } from '../../budgets/types.ts';
import { limitsOf } from '../../config/policy.ts';
import type { BudgetsConfig, Config, ModelConfig } from '../../config/types.ts';
import { asksFor, prepareLimits } from '../../decide/asks.ts';
import { estimateInput, estimateOutput, MAX_TOKENS } from '../../decide/estimate.ts';
import { fits } from '../../decide/long-prompts.ts';
import { costOf, dollarsOf } from '../../decide/price.ts';
import { triedFor } from '../../server/respond.ts';
import type { Reason } from '../../wire/reasons.ts';
import type { Prompt } from './prompt.ts';

/** One check of a model's budget; of money in US dollars. `input` and `output` are the two estimates, where one limit counts both. */
export interface Reserve {
  readonly limit: Dimension;
  readonly of: number;
  readonly amount: number;
  readonly fits: boolean;
  readonly input: number | undefined;
  readonly output: number | undefined;
}

/** Why a model is on the road. */
export interface Place {
  /** `own`: one of several that share the load. */
  readonly role: 'primary' | 'own' | 'fallback' | 'contextWindowFallback';
  /** The group whose model, or whose fallback, it is. */
  readonly of: string;
  /** The group that stands in the fallback and brings this model. */
  readonly through?: string;
}

export interface Step extends Place {
  readonly model: string;
  readonly provider: string;
  readonly upstream: string;
  readonly baseUrl?: string;
  readonly budget: string;
  /** Other models on the same budget. */
  readonly sharedWith: readonly string[];
  /** Empty: it has no limits. */
  readonly reserves: readonly Reserve[];
  /** The longest prompt, where it is configured. */
  readonly contextWindow?: { readonly of: number; readonly fits: boolean };
  /** US dollars that the request would cost with an answer of the estimated length, where the model has a price. */
  readonly cost?: number;
  /** Why this request could never be sent to it. */
  readonly skipped: Reason | null;
}

/** @param passedOver why the road leads past it, if that is known already */
export function step(config: Config, name: string, place: Place, prompt: Prompt, passedOver: Reason | undefined): Step {
  const model = config.models[name]!;
  const { reserves, cost } = passedOver === 'untranslatable' ? { reserves: [] } : taken(model, prompt, config.budgets);
  const never = config.budgets.enforce ? reserves.find((reserve) => !reserve.fits) : undefined;
  return {
    model: name,
    ...place,
    provider: model.provider,
    upstream: model.model,
    ...(model.baseUrl !== undefined && { baseUrl: model.baseUrl }),
    budget: model.budget,
    sharedWith: Object.entries(config.models).flatMap(([other, { budget }]) => (other !== name && budget === model.budget ? [other] : [])),
    reserves,
    ...(model.contextWindow !== undefined && { contextWindow: { of: model.contextWindow, fits: fits(model, prompt.tokens) } }),
    ...(cost !== undefined && { cost }),
    skipped: passedOver ?? (never ? triedFor(name, { dimension: never.limit, waitMs: -1 }).reason : null),
  };
}

/** As a sidecar would that has just started: no answer has been seen yet. */
function taken(model: ModelConfig, { wanted, ratio }: Prompt, { outputEstimate }: BudgetsConfig): { reserves: Reserve[]; cost?: number } {
  const input = estimateInput(wanted, ratio);
  const output = outputEstimate === 'learned' ? undefined : MAX_TOKENS.tokens('', undefined, wanted);
  const prepared = prepareLimits(limitsOf(model), model.price);
  const reserves = asksFor(prepared, wanted, ratio, output).map(({ dimension, limit, amount }): Reserve => {
    const both = dimension === 'tokens';
    const shown = isMoney(dimension) ? dollarsOf : (n: number) => n;
    return { limit: dimension, of: shown(limit), amount: shown(amount), fits: amount <= limit, input: both ? input : undefined, output: both ? amount - input : undefined };
  });
  if (prepared.price === undefined) return { reserves };
  const answer = output ?? estimateOutput(wanted.maxTokens, wanted.outputs, Infinity);
  return { reserves, cost: dollarsOf(costOf(prepared.price, input, answer)) };
}

export function isMoney(dimension: Dimension): boolean {
  return dimension === 'cost_day' || dimension === 'cost_month';
}
