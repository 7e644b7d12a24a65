/** A road in words, for people. */
import type { Dimension } from '../../budgets/types.ts';
import { DEFAULT_OUTPUT } from '../../decide/estimate.ts';
import type { Override, PolicyInForce } from './policy.ts';
import type { Prompt } from './prompt.ts';
import { formatProblem } from '../../config/problem.ts';
import type { Road } from './road.ts';
import { sharingText } from './sharing.ts';
import { isMoney, type Reserve, type Step } from './step.ts';
import { choiceText } from './task.ts';

export function textOf(road: Road): string {
  const parts = [
    [road.choice === undefined ? '' : choiceText(road.choice), `${road.group} is a ${road.means}${road.alsoModel ? ' (and a model: the name means the group)' : ''}. ${summary(road)}`],
    [request(road.prompt), output(road), budgets(road)],
    ...road.chain.map((step, i) => [`${i + 1}. ${step.model} – ${road.means === 'model' ? 'named directly' : role(step)}`, ...about(step).map((line) => `   ${line}`)]),
    ways(road),
    policy(road),
    ...(road.warnings.length > 0 ? [['What the file asks here and this version does not do:', ...road.warnings.map((one) => `  ${formatProblem(one)}`)]] : []),
    ['Nothing was sent, and no key was looked at: a model whose key is missing is skipped as auth.'],
  ];
  return parts.map((lines) => `${lines.filter((line) => line !== '').join('\n')}\n`).join('\n');
}

function summary({ order, refused, chain, means, sharing }: Road): string {
  if (refused !== null) return `No model can serve this request: the app gets ${refused} at once.`;
  const [first, ...rest] = order;
  const alone = means === 'model' ? 'A model named directly has no fallback' : 'Nothing comes after it';
  if (rest.length === 0) return `Tried: ${first}. ${chain.length === 1 ? `${alone}.` : 'The others are skipped.'}`;
  return [
    `Tried in this order: ${order.join(', ')}.`,
    ...sharing.map(sharingText),
    'The next one is tried when a budget has no room, or when the upstream limits, fails or does not answer in time.',
  ].join('\n');
}

function request({ tokens, from, bytes }: Prompt): string {
  if (from === 'given') return `Input estimate: ${count(tokens)} tokens, as given.`;
  if (from === 'unknown') return 'Input estimate: none, because nothing is known of the prompt; --prompt-tokens or --text gives it.';
  return `Input estimate: ${count(tokens)} tokens: the request has ${count(bytes!)} bytes with this text, and 3 bytes count as a token until a model has reported its usage.`;
}

function output({ chain, outputEstimate }: Road): string {
  const counted = chain.some(({ reserves, cost }) => cost !== undefined || reserves.some(({ limit }) => limit === 'tokens' || limit === 'output_tokens'));
  if (!counted) return '';
  const first = `the request's max_tokens, here ${count(DEFAULT_OUTPUT)} because it is not set`;
  return outputEstimate === 'learned'
    ? `Output estimate: learned from a model's answers. Before there are enough, as here, ${first}, but at most a tenth of the limit.`
    : `Output estimate: ${first}.`;
}

function budgets({ budgets, enforced }: Road): string {
  const where = budgets === 'redis' ? 'Redis, for all pods together' : 'this process alone: no redis is configured';
  return `Budgets are kept in ${where}.${enforced ? '' : '\nThey are not enforced (budgets.enforce: false): they are counted, and no model is passed over for one.'}`;
}

function role({ role, of, through }: Step): string {
  const way = through === undefined ? '' : `, through the group ${through}`;
  if (role === 'fallback') return `fallback of ${of}${way}`;
  if (role === 'contextWindowFallback') return `fallback of ${of} for long prompts${way}`;
  return role === 'primary' ? `primary of ${of}` : `shares the load of ${of}`;
}

function about({ provider, upstream, baseUrl, budget, model, sharedWith, reserves, cost, contextWindow, skipped }: Step): string[] {
  const lines = [`${provider}: ${upstream}${baseUrl === undefined ? '' : ` at ${baseUrl}`}`];
  if (skipped === 'untranslatable') return [...lines, `skipped as untranslatable: this version does not speak to ${provider}`];
  if (sharedWith.length > 0) lines.push(`budget ${budget}, shared with ${sharedWith.join(', ')}`);
  else if (budget !== model) lines.push(`budget ${budget}`);
  lines.push(...(reserves.length === 0 ? ['no limits: it always has room'] : reserves.map(reserve)));
  if (cost !== undefined) lines.push(`costs about ${dollars(cost)}`);
  if (contextWindow !== undefined) lines.push(contextWindowLine(contextWindow, skipped === 'context_window'));
  if (skipped !== null && skipped !== 'context_window') lines.push(`skipped as ${skipped}: the request is larger than the whole limit, so it would never have room`);
  return lines;
}

function contextWindowLine({ of, fits }: NonNullable<Step['contextWindow']>, skipped: boolean): string {
  const window = `context window of ${count(of)} tokens`;
  if (fits) return window;
  return skipped ? `skipped as context_window: the prompt is longer than its ${window}, so it is not sent` : `${window}: the prompt seems too long, and has nowhere else to go, so the upstream decides`;
}

/** What is not a failure of the model has its own ways. */
function ways({ contextWindowFallback: long, contentPolicyFallback: refused, chain, group }: Road): string[] {
  const used = chain.some(({ role }) => role === 'contextWindowFallback');
  return [
    long.length === 0 ? 'A refusal of a prompt as too long goes back to the app.' : `A prompt that is too long for a model of ${group} goes to ${long.join(', ')} instead of the fallback${used ? ', as this one does' : ''}.`,
    `A refusal by a content policy goes ${refused.length === 0 ? 'back to the app' : `to ${refused.join(', ')}`}.`,
  ];
}

const UNITS: Readonly<Record<Dimension, string>> = {
  requests: 'requests a minute',
  tokens: 'tokens a minute',
  input_tokens: 'input tokens a minute',
  output_tokens: 'output tokens a minute',
  concurrency: 'requests at the same time',
  cost_day: 'a day (UTC)',
  cost_month: 'a month (UTC)',
};

function reserve({ limit, of, amount, input, output, fits }: Reserve): string {
  const sum = input === undefined || output === undefined ? '' : ` (${count(input)} in, ${count(output)} out)`;
  const shown = isMoney(limit) ? dollars : count;
  return `reserves ${shown(amount)}${sum} of ${shown(of)} ${UNITS[limit]}${fits ? '' : ': too large'}`;
}

function policy({ policy, order, means }: Road): string[] {
  const { deadline, maxAttempts, overrides } = policy;
  const short = order.length > maxAttempts ? `, though ${order.length} models could be tried` : '';
  return [
    `Policy: ${deadline} for the whole request, at most ${maxAttempts} upstream calls${short}.`,
    timeouts(policy),
    breaker(policy),
    retries(policy),
    STREAMS[policy.streamRecovery],
    hedging(policy),
    waiting(policy),
    means === 'model' ? 'A model named directly has the top policy.' : own(overrides),
  ];
}

function timeouts({ timeouts }: PolicyInForce): string {
  return `Time-outs of one call: ${Object.entries(timeouts).map(([key, value]) => `${key} ${value}`).join(', ')}.`;
}

function breaker({ breaker: { failures, window, open } }: PolicyInForce): string {
  return `Circuit breaker: ${failures} ${failures === 1 ? 'failure' : 'failures'} within ${window} shut a model out for ${open}.`;
}

function retries({ retry: { attempts, backoff, maxBackoff, honourRetryAfter } }: PolicyInForce): string {
  const again = attempts === 0 ? 'No retries on the same model' : `${attempts} ${attempts === 1 ? 'retry' : 'retries'} on the same model after a failure that may pass, after up to ${backoff}${attempts === 1 ? '' : `, then up to ${maxBackoff}`}`;
  return `${again}. With nothing else to try, up to ${honourRetryAfter} are waited for a Retry-After or a budget.`;
}

const STREAMS: Readonly<Record<PolicyInForce['streamRecovery'], string>> = {
  error: 'A stream that breaks midway ends with an error.',
  continue: 'A stream that breaks midway is continued by the next model.',
  buffer: 'A stream is held back until it is whole, so that another model can begin it anew.',
};

function hedging({ hedge }: PolicyInForce): string {
  return hedge === null ? '' : `The fallback starts beside a primary without a first token after ${hedge.after}, for at most ${Number((100 * hedge.maxShare).toFixed(1))} % of the requests.`;
}

function waiting({ wait }: PolicyInForce): string {
  return wait === '0ms' ? '' : `The primary is waited for where it is free again within ${wait}.`;
}

function own(overrides: readonly Override[]): string {
  if (overrides.length === 0) return 'The group overrides nothing of the top policy.';
  const each = overrides.map(({ key, value, instead }) => `${key} ${shown(value)} instead of ${shown(instead)}`);
  return `The group overrides ${each.join(', ')}.`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** To the nano-dollar, where that says something. */
function dollars(n: number): string {
  return n.toLocaleString('en-US', { style: 'currency', currency: 'USD', minimumFractionDigits: 2, maximumFractionDigits: 9 });
}
