#!/usr/bin/env node
/** The front door: finds the command and calls it. Each is loaded only when it is asked for. */
import { text } from 'node:stream/consumers';
import { UsageError, type Command, type Io } from './commands/command.ts';
import { VERSION } from './commands/version.ts';
import { codeOf, messageOf } from './wire/record.ts';

/** As package.json's `engines` says. */
const OLDEST_NODE = 24;

const COMMANDS: Readonly<Record<string, { readonly about: string; readonly load: () => Promise<Command> }>> = {
  serve: { about: 'the sidecar', load: async () => (await import('./commands/serve.ts')).serve },
  demo: { about: 'everything on one machine, with simulated providers', load: async () => (await import('./commands/demo.ts')).demo },
  simulate: { about: 'the simulated providers alone', load: async () => (await import('./commands/simulate.ts')).simulate },
  explain: { about: 'which models a request would try, and why', load: async () => (await import('./commands/explain.ts')).explain },
  inject: { about: 'adds the sidecar to Kubernetes manifests', load: async () => (await import('./commands/inject.ts')).inject },
  validate: { about: 'checks a configuration', load: async () => (await import('./commands/validate.ts')).validate },
};

function help(): string {
  const list = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`);
  return `usage: spillway COMMAND [options]\n\n${list.join('\n')}\n\nspillway COMMAND --help says more; spillway --version prints the version.\n`;
}

async function main(argv: readonly string[], io: Io): Promise<number> {
  const [name, ...args] = argv;
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    io.stderr(`spillway needs Node ${OLDEST_NODE} or newer; this is ${process.versions.node}.\n`);
    return 2;
  }
  if (name === '--version') {
    io.stdout(`${VERSION}\n`);
    return 0;
  }
  if (name === undefined || name === '--help' || name === 'help') {
    (name === undefined ? io.stderr : io.stdout)(help());
    return name === undefined ? 2 : 0;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    io.stderr(`spillway: there is no command "${name}"\n\n${help()}`);
    return 2;
  }
  const command = await COMMANDS[name]!.load();
  try {
    return await command(args, io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.stderr(`spillway ${name}: ${error.message}\nspillway ${name} --help says more.\n`);
      return 2;
    }
    io.stderr(`spillway ${name}: ${messageOf(error)}\n`);
    if (io.env['SPILLWAY_DEBUG'] === '1') throw error;
    io.stderr('SPILLWAY_DEBUG=1 shows where.\n');
    return 1;
  }
}

const isSidecar = process.argv[2] === 'serve';

// A reader that went away (`| head`) is no mistake of ours; a sidecar works on without one.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error;
    if (!isSidecar) process.exit();
  });
}

// Before anything else is loaded: a SIGTERM while starting is an orderly stop too. So is a terminal that closes (SIGHUP).
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop.abort());

const code = await main(process.argv.slice(2), {
  stdout: (line) => void process.stdout.write(line),
  stderr: (line) => void process.stderr.write(line),
  stdin: () => text(process.stdin),
  signal: stop.signal,
  onUncaught: (told) => void process.on('uncaughtException', told),
  onWarning: (told) => void process.removeAllListeners('warning').on('warning', told),
  log: process.stdout,
  env: process.env,
});

process.exitCode = code;
// Whatever a failure left open must not keep the process, nor a log that nobody reads.
if (code !== 0 || (isSidecar && process.stdout.writableLength > 0)) setTimeout(() => process.exit(code), 500).unref();
