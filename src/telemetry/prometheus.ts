/** Prometheus' text format, version 0.0.4. */
import type { Instruments } from './instruments.ts';
import { Histogram, Scrape, type Family, type Sample } from './metrics.ts';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export async function prometheusText(instruments: Instruments): Promise<string> {
  const lines: string[] = [];
  for (const family of instruments.all()) {
    header(lines, family);
    if (family instanceof Histogram) histogram(lines, family);
    else for (const sample of family.samples()) lines.push(line(family.name, family.labelNames, sample));
  }
  const scrape = new Scrape();
  for (const gauge of instruments.gauges) {
    header(lines, gauge);
    for (const sample of await gauge.read(scrape)) lines.push(line(gauge.name, gauge.labelNames, sample));
  }
  return `${lines.join('\n')}\n`;
}

function header(lines: string[], { name, help, type }: Family): void {
  lines.push(`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${type}`);
}

function histogram(lines: string[], { name, bounds, counts, sum }: Histogram): void {
  let total = 0;
  for (const [i, count] of counts.entries()) {
    total += count;
    lines.push(`${name}_bucket{le="${i < bounds.length ? bounds[i] : '+Inf'}"} ${total}`);
  }
  lines.push(`${name}_sum ${sum}`, `${name}_count ${total}`);
}

function line(name: string, names: readonly string[], { labels, value }: Sample): string {
  if (names.length === 0) return `${name} ${value}`;
  const pairs = names.map((label, i) => `${label}="${escape(labels[i] ?? '')}"`);
  return `${name}{${pairs.join(',')}} ${value}`;
}

function escape(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));
}
