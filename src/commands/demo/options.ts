import { parseArgs } from 'node:util';
import { parseAddress, type Address } from '../../wire/address.ts';
import { parseDuration } from '../../wire/duration.ts';
import { UsageError } from '../command.ts';
import { readArgs } from '../serve.ts';

export const DEMO_HELP = `usage: spillway demo [options]

Everything on one machine, with nothing installed: simulated providers, the sidecar, and an app whose traffic exceeds
the budget of its models. Shows who serves, what is left of the budgets, and each diversion with its reason, then a
summary. With REDIS_URL two sidecars share one budget, the second on ports 4010 and 4011.

  --serve-only          no app of its own; runs until stopped
  --duration DURATION   how long the app runs, 75s by default: a minute, and the return to the primary after it
  --listen HOST:PORT    the apps' port; by default 127.0.0.1:4000 and [::1]:4000
  --admin HOST:PORT     probes, metrics and status; by default 127.0.0.1:4001
  --help                this text

Ctrl-C ends it early. Exit codes: 0 every request was answered, 1 not every one was, or a port is in use, 2 wrong usage.
`;

export type OptionalAddress = Address & { readonly optional?: boolean };

export interface DemoOptions {
  readonly serveOnly: boolean;
  readonly durationMs: number;
  readonly listen: readonly OptionalAddress[];
  readonly admin: readonly Address[];
}

const DURATION = '75s';
const LISTEN: readonly OptionalAddress[] = [
  { host: '127.0.0.1', port: 4000 },
  { host: '::1', port: 4000, optional: true },
];
const ADMIN: readonly Address[] = [{ host: '127.0.0.1', port: 4001 }];

/** @returns undefined when help is asked for @throws UsageError */
export function parseOptions(args: string[]): DemoOptions | undefined {
  const options = { 'serve-only': { type: 'boolean' }, duration: { type: 'string' }, listen: { type: 'string' }, admin: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const { values } = readArgs(() => parseArgs({ args, options }));
  if (values.help) return undefined;
  const serveOnly = values['serve-only'] ?? false;
  if (serveOnly && values.duration !== undefined) throw new UsageError('--duration is of the app that --serve-only leaves out');
  return {
    serveOnly,
    durationMs: durationOf(values.duration ?? DURATION),
    listen: values.listen === undefined ? LISTEN : values.listen.split(',').map((one) => addressOf('--listen', one)),
    admin: values.admin === undefined ? ADMIN : [addressOf('--admin', values.admin)],
  };
}

function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms <= 0) throw new UsageError(`--duration ${text}: expected a duration like ${DURATION}`);
  return ms;
}

function addressOf(flag: string, text: string): Address {
  const address = parseAddress(text.trim());
  if (address === undefined) throw new UsageError(`${flag} ${text}: expected HOST:PORT, such as 127.0.0.1:4000`);
  return address;
}
