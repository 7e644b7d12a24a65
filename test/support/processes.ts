/** The real program as child processes, for tests and for `npm run test:real`. Whoever starts some calls `killAll` in the end. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { WindowShape } from '../../src/wire/window.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const WITH_WINDOW = fileURLToPath(new URL('../fixtures/sidecar-with-window.ts', import.meta.url));

/** A machine that is busy with other tests needs time, too, to start a process. */
const START_MS = 20_000;

/** Compiled once, not in each of many short processes. */
const COMPILED = join(tmpdir(), 'spillway-compiled-for-tests');

export interface Exit {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type LogLine = Readonly<Record<string, unknown>>;

export interface Program {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The JSON lines of standard output so far. */
  readonly logs: () => LogLine[];
  /** Resolves with the first log line of that message. Rejects when the program ends without one. */
  readonly logged: (msg: string) => Promise<LogLine>;
  readonly exited: Promise<Exit>;
  readonly kill: (signal: NodeJS.Signals) => void;
}

export interface SidecarProcess extends Program {
  /** `http://HOST:PORT` of the apps' port and of the admin port. */
  readonly url: string;
  readonly admin: string;
}

export interface RunOptions {
  /** Nothing is inherited but PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

export interface SidecarOptions extends RunOptions {
  readonly config: string;
  /** Absent: the true program with the true window. */
  readonly window?: WindowShape & { readonly maxAgeMs: number };
  readonly args?: readonly string[];
}

const living = new Set<ChildProcessWithoutNullStreams>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** Ends every process that is still there; resolves when they are gone. */
export async function killAll(): Promise<void> {
  const gone = [...living].map(async (child) => {
    const exit = once(child, 'close');
    child.kill('SIGKILL');
    await exit;
  });
  await Promise.all(gone);
}

/** `spillway ARGS…`, as a user types it. */
export function spillway(args: readonly string[], options: RunOptions = {}): Program {
  return start([MAIN, ...args], options);
}

/** Runs to the end. */
export async function finished(args: readonly string[], options: RunOptions = {}): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const program = spillway(args, options);
  const { code } = await program.exited;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

/** `spillway serve`, not waited for. */
export function serving(options: SidecarOptions): Program {
  const { config, window, args = [] } = options;
  const serve = ['--config', config, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', ...args];
  if (window === undefined) return start([MAIN, 'serve', ...serve], options);
  return start([WITH_WINDOW, String(window.stepMs), String(window.steps), String(window.maxAgeMs), ...serve], options);
}

/** `spillway serve` with ports of its own, ready. */
export async function startSidecar(options: SidecarOptions): Promise<SidecarProcess> {
  const program = serving(options);
  const late = new AbortController();
  const ready = await Promise.race([program.logged('ready'), pause(START_MS, undefined, { signal: late.signal })]).finally(() => late.abort());
  if (ready === undefined) throw new Error(`not ready within ${START_MS} ms\n${program.stdout()}${program.stderr()}`);
  const { listen, admin } = ready as { listen: string[]; admin: string };
  return { ...program, url: `http://${listen[0]}`, admin: `http://${admin}` };
}

function start(args: readonly string[], { env = {}, stdin }: RunOptions): Program {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, args, { env: { PATH, HOME, NODE_COMPILE_CACHE: COMPILED, ...env } });
  living.add(child);
  // Who ends without reading its standard input is no news.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  let stdout = '';
  let stderr = '';
  let lines: LogLine[] = [];
  let rest = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    lines = [...lines, ...parts.filter((part) => part.startsWith('{')).map((part) => JSON.parse(part) as LogLine)];
    for (const listener of listeners) listener();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exited = once(child, 'close').then(([code, signal]: unknown[]): Exit => {
    living.delete(child);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  const logged = (msg: string): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = lines.find((line) => line['msg'] === msg);
        if (found === undefined) return;
        listeners.delete(look);
        resolve(found);
      };
      listeners.add(look);
      look();
      void exited.then(({ code, signal }) => reject(new Error(`ended (${code ?? signal}) without "${msg}"\n${stdout}${stderr}`)));
    });
  return { stdout: () => stdout, stderr: () => stderr, logs: () => lines, logged, exited, kill: (signal) => void child.kill(signal) };
}
