/** In which order a request tries the models of its group. */
import { estimateInput } from '../decide/estimate.ts';
import { fitted } from '../decide/long-prompts.ts';
import type { Exchange } from './exchange.ts';
import type { Stage, Target } from './runtime.ts';

export interface Order {
  /** Whose place it is to serve, if the prompt fits. */
  readonly first: Target;
  readonly targets: readonly Target[];
  /** The prompt does not fit: not asked. */
  readonly tooSmall: readonly Target[];
  /** `contextWindowFallback` stands in for `fallback`. */
  readonly instead: boolean;
}

const NONE: readonly Target[] = [];

/** Costs nothing where each stage has one model and no context window is stated. */
export function orderOf(exchange: Exchange, now: number, random: () => number): Order {
  const { route, noFallback, request } = exchange;
  const all = route.stages === undefined ? route.targets : ordered(route.stages, now, random, request.stream);
  if (!route.measured) return { first: all[0]!, targets: noFallback ? all.slice(0, route.own) : all, tooSmall: NONE, instead: false };
  const forLong = ordered(route.instead.context, now, random, request.stream);
  const tokens = estimateInput(request, all[0]!.meter.ratio);
  const ways = { own: all.slice(0, route.own), fallback: noFallback ? NONE : all.slice(route.own), forLong: noFallback ? NONE : forLong };
  const { tried, tooSmall, instead } = fitted(tokens, ways);
  return { first: all[0]!, targets: tried, tooSmall, instead };
}

export function ordered(stages: readonly Stage[], now: number, random: () => number, streamed: boolean): readonly Target[] {
  return stages.flatMap(({ targets, balancer }) => balancer?.order(now, random, streamed).map((i) => targets[i]!) ?? targets);
}
