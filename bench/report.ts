/** The figures as a table, and how they stand against the targets. */
export interface Row {
  readonly name: string;
  readonly perSecond: number;
  readonly cpu: number;
  readonly p50: number;
  readonly p99: number;
  readonly first: number;
  readonly streamsPerSecond: number;
  readonly pacedFirst: number;
  readonly pacedCpu: number;
  readonly largePerSecond: number;
  readonly idle: number;
  readonly loaded: number;
  readonly afterLarge: number;
  readonly ready: number;
}

const LINES: readonly (readonly [string, Exclude<keyof Row, 'name'>])[] = [
  ['JSON 2 KB, 32 at once: requests/s', 'perSecond'],
  ['its CPU a request, us', 'cpu'],
  ['JSON 2 KB at a fixed rate: p50 ms', 'p50'],
  ['the same, p99 ms', 'p99'],
  ['one stream: first token, p50 ms', 'first'],
  ['streams of 50 events, 32 at once: streams/s', 'streamsPerSecond'],
  ['50 paced streams: first token, p50 ms', 'pacedFirst'],
  ['their CPU a stream, us', 'pacedCpu'],
  ['JSON 100 KB, 16 at once: requests/s', 'largePerSecond'],
  ['memory idle, MB', 'idle'],
  ['memory after 2 KB and streams, MB', 'loaded'],
  ['memory after 100 KB too, MB', 'afterLarge'],
  ['ready, ms', 'ready'],
];

export function table(rows: readonly Row[]): string {
  const width = Math.max(...LINES.map(([name]) => name.length));
  const lines = [''.padEnd(width) + rows.map(({ name }) => name.padStart(16)).join('')];
  for (const [name, key] of LINES) lines.push(name.padEnd(width) + rows.map((row) => figure(row[key]).padStart(16)).join(''));
  lines.push('', ...targets(rows).map(({ what, is, must, aim, met }) => `${what.padEnd(width)}${is.padStart(16)}   must ${must}, aim ${aim}: ${met}`));
  return `${lines.join('\n')}\n`;
}

/** In Markdown, with its date. */
export function report(rows: readonly Row[], where: string): string {
  const head = [`| | ${rows.map(({ name }) => name).join(' | ')} |`, `|---|${rows.map(() => '---:|').join('')}`];
  const body = LINES.map(([name, key]) => `| ${name} | ${rows.map((row) => figure(row[key])).join(' | ')} |`);
  const judged = targets(rows).map(({ what, is, must, aim, met }) => `| ${what} | ${is} | ${must} | ${aim} | ${met} |`);
  return [`${new Date().toISOString().slice(0, 10)}, \`npm run bench\`: ${where}.`, '', ...head, ...body, '', '| with budgets in Redis | measured | must | aim | |', '|---|---:|---:|---:|---|', ...judged].join('\n');
}

interface Target {
  readonly what: string;
  readonly is: string;
  readonly must: string;
  readonly aim: string;
  readonly met: string;
}

function targets(rows: readonly Row[]): Target[] {
  const find = (name: string): Row | undefined => rows.find((row) => row.name === name);
  const [us, direct, portkey, nginx] = [find('Spillway+Redis'), find('direct'), find('Portkey'), find('nginx')];
  if (us === undefined || direct === undefined) return [];
  const found: Target[] = [];
  const add = (what: string, is: number, must: number, aim: number, unit: string, more: boolean): void => {
    const reaches = (bound: number): boolean => (more ? is >= bound : is <= bound);
    found.push({ what, is: `${figure(is)}${unit}`, must: `${must}${unit}`, aim: `${aim}${unit}`, met: reaches(aim) ? 'aim met' : reaches(must) ? 'must met' : 'MISSED' });
  };
  if (portkey) {
    add('requests/s against Portkey', us.perSecond / portkey.perSecond, 6, 12, 'x', true);
    add('CPU a request against Portkey', us.cpu / portkey.cpu, 0.16, 0.09, 'x', false);
    add('added first token against Portkey', (us.first - direct.first) / (portkey.first - direct.first), 0.067, 0.04, 'x', false);
  }
  if (nginx) {
    add('requests/s against nginx', us.perSecond / nginx.perSecond, 0.12, 0.25, 'x', true);
    add('added p50 against what nginx adds', (us.p50 - direct.p50) / (nginx.p50 - direct.p50), 2.5, 1.8, 'x', false);
  }
  add('added p50', us.p50 - direct.p50, 1, 0.5, ' ms', false);
  add('added time to first token', us.first - direct.first, 2, 1, ' ms', false);
  add('memory idle', us.idle, 90, 70, ' MB', false);
  add('memory loaded', us.afterLarge, 150, 115, ' MB', false);
  add('ready', us.ready, 250, 140, ' ms', false);
  return found;
}

function figure(value: number): string {
  if (Number.isNaN(value)) return '-';
  return value >= 1000 ? value.toFixed(0) : value >= 100 ? value.toFixed(1) : value.toFixed(2);
}
