/** What is said before the traffic begins: what this is, where it listens, and how to try it by hand. */
import { formatAddress, type Address } from '../../wire/address.ts';
import { PRIMARIES, PROD } from './scene.ts';
import type { BudgetsPlace } from './stage.ts';
import { count } from './text.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** An address that a client on this machine can use, for one that a server listens on. */
export function reachable({ host, port }: Address): string {
  const local = host === '::' ? '::1' : host === '0.0.0.0' ? '127.0.0.1' : host;
  return `http://${formatAddress({ host: local, port })}`;
}

/** One line that works when it is pasted. */
export function curlLine(url: string, env: Environment): string {
  const body = JSON.stringify({ model: PROD.name, messages: [{ role: 'user', content: 'Hello' }] });
  // curl would ask the proxy for an address of this machine.
  const proxied = [env['http_proxy'], env['all_proxy'], env['ALL_PROXY']].some((proxy) => proxy !== undefined && proxy !== '');
  return `curl -i${proxied ? " --noproxy '*'" : ''} ${url}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`;
}

export interface BannerFacts {
  /** Where apps and operators find each sidecar. */
  readonly sidecars: readonly { readonly listen: string; readonly admin: string }[];
  readonly budgets: BudgetsPlace;
  readonly curl: string;
  readonly serveOnly: boolean;
}

export function banner({ sidecars, budgets, curl, serveOnly }: BannerFacts): string[] {
  const { requestsPerMinute, tokensPerMinute } = PRIMARIES[0]!;
  const lines = [`Two groups on simulated providers${serveOnly ? '' : ', and an app that exceeds their budgets'}:`];
  lines.push(`${requestsPerMinute} requests and ${count(tokensPerMinute)} tokens a minute each, then the fallback serves.`);
  sidecars.forEach(({ listen, admin }, nth) => lines.push(`${sidecars.length > 1 ? `sidecar ${nth + 1}` : 'sidecar'}: ${listen}/v1   status: ${admin}/status`));
  lines.push(placeText(budgets), 'try it by hand while this runs:', `  ${curl}`, '');
  return lines;
}

function placeText(budgets: BudgetsPlace): string {
  if (budgets.in === 'redis') return 'budgets: in the Redis of REDIS_URL, shared by both sidecars';
  if ('away' in budgets) return `budgets: in this process, because the Redis of REDIS_URL does not answer (${budgets.away})`;
  return 'budgets: in this process (with REDIS_URL set: two sidecars that share them)';
}
