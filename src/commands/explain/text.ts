/** A road in words, for people. */
import type { Dimension } from '../../budgets/types.ts';
import { DEFAULT_OUTPUT } from '../../decide/estimate.ts';
import type { Override, PolicyInForce } from './policy.ts';
import type { Prompt } from './prompt.ts';
import { formatProblem } from '../../config/problem.ts';
import type { Reserve, Road, Step } from './road.ts';

export function textOf(road: Road): string {
  const parts = [
    [`${road.asked} is a ${road.means}${road.alsoModel ? ' (and a model: the name means the group)' : ''}. ${summary(road)}`],
    [request(road.prompt), output(road), `Budgets are kept in ${road.budgets === 'redis' ? 'Redis, for all pods together' : 'this process alone: no redis is configured'}.`],
    ...road.chain.map((step, i) => [`${i + 1}. ${step.model} – ${road.means === 'model' ? 'named directly' : role(step)}`, ...about(step).map((line) => `   ${line}`)]),
    policy(road),
    ...(road.warnings.length > 0 ? [['What the file asks here and this version does not do:', ...road.warnings.map((one) => `  ${formatProblem(one)}`)]] : []),
    ['Nothing was sent, and no key was looked at: a model whose key is missing is skipped as auth.'],
  ];
  return parts.map((lines) => `${lines.filter((line) => line !== '').join('\n')}\n`).join('\n');
}

function summary({ order, refused, chain, means }: Road): string {
  if (refused !== null) return `No model can serve this request: the app gets ${refused} at once.`;
  const [first, ...rest] = order;
  const alone = means === 'model' ? 'A model named directly has no fallback' : 'Nothing comes after it';
  if (rest.length === 0) return `Tried: ${first}. ${chain.length === 1 ? `${alone}.` : 'The others are skipped.'}`;
  return `Tried in this order: ${order.join(', ')}.\nThe next one is tried when a budget has no room, or when the upstream limits, fails or does not answer in time.`;
}

function request({ tokens, from, bytes }: Prompt): string {
  if (from === 'given') return `Input estimate: ${count(tokens)} tokens, as given.`;
  if (from === 'unknown') return 'Input estimate: none, because nothing is known of the prompt; --prompt-tokens or --text gives it.';
  return `Input estimate: ${count(tokens)} tokens: the request has ${count(bytes!)} bytes with this text, and 3 bytes count as a token until a model has reported its usage.`;
}

function output({ chain }: Road): string {
  const counted = chain.some(({ reserves }) => reserves.some(({ limit }) => limit === 'tokens' || limit === 'output_tokens'));
  return counted ? `Output estimate: the request's max_tokens, here ${count(DEFAULT_OUTPUT)} because it is not set, but at most a tenth of the limit.` : '';
}

function role({ role, of, through }: Step): string {
  if (role === 'fallback') return `fallback of ${of}${through === undefined ? '' : `, through the group ${through}`}`;
  return role === 'primary' ? `primary of ${of}` : `own model of ${of}`;
}

function about({ provider, upstream, baseUrl, budget, model, sharedWith, reserves, skipped }: Step): string[] {
  const lines = [`${provider}: ${upstream}${baseUrl === undefined ? '' : ` at ${baseUrl}`}`];
  if (skipped === 'untranslatable') return [...lines, `skipped as untranslatable: this version does not speak to ${provider}`];
  if (sharedWith.length > 0) lines.push(`budget ${budget}, shared with ${sharedWith.join(', ')}`);
  else if (budget !== model) lines.push(`budget ${budget}`);
  if (reserves.length === 0) return [...lines, 'no limits: it always has room'];
  lines.push(...reserves.map(reserve));
  if (skipped !== null) lines.push(`skipped as ${skipped}: the request is larger than the whole limit, so it would never have room`);
  return lines;
}

const UNITS: Readonly<Record<Dimension, string>> = {
  requests: 'requests a minute',
  tokens: 'tokens a minute',
  input_tokens: 'input tokens a minute',
  output_tokens: 'output tokens a minute',
  concurrency: 'requests at the same time',
};

function reserve({ limit, of, amount, input, output, fits }: Reserve): string {
  const sum = input === undefined || output === undefined ? '' : ` (${count(input)} in, ${count(output)} out)`;
  return `reserves ${count(amount)}${sum} of ${count(of)} ${UNITS[limit]}${fits ? '' : ': too large'}`;
}

function policy({ policy, order, means }: Road): string[] {
  const { deadline, maxAttempts, overrides } = policy;
  const short = order.length > maxAttempts ? `, though ${order.length} models could be tried` : '';
  return [
    `Policy: ${deadline} for the whole request, at most ${maxAttempts} upstream calls${short}.`,
    timeouts(policy),
    means === 'model' ? 'A model named directly has the top policy.' : own(overrides),
  ];
}

function timeouts({ timeouts }: PolicyInForce): string {
  return `Time-outs of one call: ${Object.entries(timeouts).map(([key, value]) => `${key} ${value}`).join(', ')}.`;
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
