/** Programs under measurement: each pinned to a core where there is one to give, all killed at the end. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus } from 'node:os';
import { promisify } from 'node:util';

export interface Program {
  /** All its processes: nginx and its worker. */
  readonly pids: () => readonly number[];
  readonly readyMs: number;
  stop(): Promise<void>;
}

export function has(command: string, flag = '--version'): boolean {
  return spawnSync(command, [flag], { stdio: 'ignore' }).status === 0;
}

export class Machine {
  readonly pinned = cpus().length > 1 && has('taskset');
  private readonly children = new Set<ChildProcess>();

  /** @param ready a port that accepts when it is ready. The measured program has core 0, everything else core 1. */
  async start(core: 0 | 1, port: number, command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Program> {
    // What was stopped just before may have a worker that listens a moment longer.
    for (let i = 0; await accepts(port); i++) if (i === 200) throw new Error(`something else listens on ${port}`);
    const began = performance.now();
    const [file, ...rest] = this.pin(core, [command, ...args]);
    const child = spawn(file!, rest, { env: { ...process.env, ...env }, stdio: 'ignore' });
    this.children.add(child);
    while (!(await accepts(port))) {
      if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}`);
      if (performance.now() - began > 20_000) throw new Error(`${command} does not listen on ${port}`);
    }
    const readyMs = performance.now() - began;
    return {
      pids: () => [child.pid!, ...childrenOf(child.pid!)],
      readyMs,
      stop: async () => {
        this.children.delete(child);
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      },
    };
  }

  /** Runs to its end, on the core of the load. */
  async run(command: readonly string[]): Promise<string> {
    const [file, ...args] = this.pin(1, command);
    return (await promisify(execFile)(file!, args)).stdout;
  }

  close(): void {
    for (const child of this.children) child.kill('SIGTERM');
  }

  private pin(core: number, command: readonly string[]): readonly string[] {
    return this.pinned ? ['taskset', '-c', String(core), ...command] : command;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const done = (is: boolean): void => {
      socket.destroy();
      setTimeout(resolve, is ? 0 : 2, is);
    };
    socket.on('connect', () => done(true)).on('error', () => done(false));
  });
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

/** Resident memory in MB. */
export function memory(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0));
  return kilobytes.reduce((sum, one) => sum + one, 0) / 1024;
}

/** CPU used so far, in seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / 100;
}
