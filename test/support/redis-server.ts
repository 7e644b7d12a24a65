/** A real redis-server for a test, inside Jest or not: on a free port, in a directory of its own, gone afterwards. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Ends it and removes its directory. */
  stop(): Promise<void>;
  /** SIGSTOP: connections stand, nothing answers. */
  pause(): void;
  resume(): void;
  /** SIGKILL: connections break, nothing listens. */
  kill(): Promise<void>;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
}

export interface RedisServerOptions {
  readonly port?: number;
  /** More of the command line: ['--requirepass', 'x']. */
  readonly args?: readonly string[];
  /** Laid into its directory before the first start. */
  readonly files?: Readonly<Record<string, string>>;
  /** It is started as a Sentinel, with this configuration and the port. */
  readonly sentinel?: string;
  /** Another program with the same command line, such as valkey-server. */
  readonly program?: string;
}

/** For masters and replicas that should find each other at once. */
export const QUICK_REPLICATION = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'] as const;

const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const directory = await mkdtemp(join(tmpdir(), 'spillway-redis-'));
  const { sentinel, program = 'redis-server' } = options;
  const files = sentinel === undefined ? options.files : { 'sentinel.conf': `port ${port}\nbind 127.0.0.1\n${sentinel}` };
  for (const [name, text] of Object.entries(files ?? {})) await writeFile(join(directory, name), text);
  const plain = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
  const args = sentinel === undefined ? [...plain, ...(options.args ?? [])] : ['sentinel.conf', '--sentinel'];
  let child: ChildProcess;
  const run = async () => {
    child = spawn(program, args, { stdio: 'ignore', cwd: directory });
    living.add(child);
    await listening(port, child);
  };
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => {
      child.once('exit', resolve);
    });
    child.kill('SIGKILL');
    await ended;
    living.delete(child);
  };
  await run();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      await end();
      await rm(directory, { recursive: true, force: true });
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill: end,
    restart: run,
  };
}

const given = new Set<number>();

/** Below those that the system gives to outgoing connections: one of them could take it before the server starts. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  const until = Date.now() + 10_000;
  while (Date.now() < until) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    if (await answersPing(port)) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  throw new Error('redis-server did not start within 10 s');
}

/** Any answer will do: with a password it is an error. */
function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
