/** What the run has shown, as text. Pure: facts in, lines out. */
import type { WorstWindow } from '../../simulator/server.ts';
import type { ClientCounts, GroupTally } from './client.ts';
import type { SceneGroup, SceneModel } from './scene.ts';
import { clockText, count } from './text.ts';

export interface ProviderFacts {
  readonly model: SceneModel;
  /** Of the whole run, as the provider counted on arrival. */
  readonly worst: WorstWindow;
  readonly rejected429: number;
  /** Upstream calls, by sidecar. */
  readonly calls: readonly number[];
}

export interface AppFacts extends ClientCounts {
  readonly groups: ReadonlyMap<string, GroupTally>;
  readonly overheads: readonly number[];
}

export interface SummaryFacts {
  readonly at: number;
  readonly stoppedEarly: boolean;
  /** Undefined without an app of our own. */
  readonly app: AppFacts | undefined;
  /** Requests answered by the sidecars, those sent by hand included. */
  readonly answered: number;
  readonly groups: readonly SceneGroup[];
  readonly primaries: readonly ProviderFacts[];
  /** What to do next, one a line. */
  readonly next: readonly string[];
}

type Row = readonly [string, string];

export function summary(facts: SummaryFacts): string {
  const { at, stoppedEarly, app, answered, primaries, next } = facts;
  const rows: Row[] = app === undefined ? [['requests answered', count(answered)]] : appRows(app, facts.groups);
  for (const provider of primaries) rows.push([`worst 60 s at ${provider.model.name}`, worstText(provider)]);
  if (primaries.some(({ calls }) => calls.length > 1)) rows.push(['calls by sidecar', primaries.map(({ model, calls }) => `${model.name} ${calls.join(' + ')}`).join(', ')]);
  rows.push(['429 from the primaries', count(primaries.reduce((sum, { rejected429 }) => sum + rejected429, 0))]);
  if (app !== undefined) rows.push(['median overhead', overheadText(app.overheads)]);
  const width = Math.max(...rows.map(([label]) => label.length));
  return [
    `Summary after ${clockText(at)}${stoppedEarly ? ', stopped early' : ''}`,
    ...rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`),
    '',
    'Next',
    ...next.map((line) => `  ${line}`),
    '',
  ].join('\n');
}

function appRows({ sent, answered, failed, groups: tallies }: AppFacts, groups: readonly SceneGroup[]): Row[] {
  return [
    ['requests sent', count(sent)],
    ['answered', count(answered)],
    ['errors the app saw', count(failed)],
    ...groups.flatMap(({ name }) => tallyRows(name, tallies.get(name))),
  ];
}

function tallyRows(group: string, tally: GroupTally | undefined): Row[] {
  if (tally === undefined) return [[group, 'not asked']];
  const served: Row = [group, `primary ${count(tally.primary)}, fallback ${count(tally.fallback)}`];
  if (tally.reasons.size === 0) return [served];
  const reasons = [...tally.reasons].sort(([, a], [, b]) => b - a).map(([reason, times]) => `${reason} ${count(times)}`);
  return [served, ['', reasons.join(', ')]];
}

function worstText({ model, worst }: ProviderFacts): string {
  return `${count(worst.calls)} of ${count(model.requestsPerMinute)} requests, ${count(worst.tokens)} of ${count(model.tokensPerMinute)} tokens`;
}

function overheadText(values: readonly number[]): string {
  if (values.length === 0) return 'not known';
  const sorted = [...values].sort((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)]!.toFixed(2)} ms`;
}
