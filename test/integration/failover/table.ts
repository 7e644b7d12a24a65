/** The catalogue as a table: printed after the suite; SPILLWAY_WRITE_TABLE=1 keeps it in docs/failover.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Line } from './row.ts';
import { header, type Got } from './support.ts';

export interface Entry {
  readonly fault: string;
  readonly set: string;
  readonly gets: string;
  readonly calls: string;
  readonly seconds: string;
}

const PAGE = new URL('../../../docs/failover.md', import.meta.url);

export function printTable(lines: readonly Line[], more: readonly Entry[] = []): void {
  const entries = [...lines.map(entryOf), ...more];
  const heads = { fault: 'fault of the primary', set: 'set otherwise than by default', gets: 'what the app gets', calls: 'upstream calls', seconds: 'seconds' };
  const row = ({ fault, set, gets, calls, seconds }: Entry): string => `| ${[fault, set, gets, calls, seconds].join(' | ')} |`;
  const table = [row(heads), '|---|---|---|---|---|', ...entries.map(row)].join('\n');
  process.stdout.write(`\n${table}\n`);
  if (process.env['SPILLWAY_WRITE_TABLE'] !== '1') return;
  const [before, rest] = readFileSync(PAGE, 'utf8').split('<!-- catalogue -->') as [string, string];
  writeFileSync(PAGE, `${before}<!-- catalogue -->\n${table}\n<!-- /catalogue -->${rest.split('<!-- /catalogue -->')[1]!}`);
}

function entryOf({ row, got, calls, next }: Line): Entry {
  const seconds = Math.max(...got.map(({ ms }) => ms)) / 1000;
  return {
    fault: row.modes.length === 2 ? row.fault : `${row.fault} (${row.modes[0]})`,
    set: row.set ?? '',
    gets: [gets(got[0]!, calls), next].filter((part) => part !== '').join('; '),
    calls: Object.entries(calls).map(([model, count]) => `${model} ${count}`).join(', '),
    seconds: seconds.toFixed(seconds < 0.995 ? 2 : 1),
  };
}

function gets(got: Got, calls: Readonly<Record<string, number>>): string {
  const reason = header(got, 'reason');
  const model = header(got, 'model');
  if (got.how === 'whole') {
    const others = Object.keys(calls).filter((name) => name !== model);
    const joined = reason === null && others.length > 0 ? `, gone on with by \`${others.join(', ')}\`` : '';
    return `the whole answer of \`${model}\`${joined}${reason === null ? '' : ` (${reason})`}`;
  }
  const thrown = `\`${got.error}\`${got.code == null ? '' : `, code \`${got.code}\``}`;
  if (got.how === 'refused') return `${got.status}: ${thrown}${model === null ? '' : `, as \`${model}\` said it`}`;
  return `${got.text.trim().split(' ').length} tokens, then ${thrown}`;
}
