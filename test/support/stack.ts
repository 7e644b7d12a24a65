/**
 * Simulated providers and a sidecar before them, in this process, over real sockets. Every stack is closed after its test,
 * and each close is a test of its own: nothing may run, be held or be counted as running any more.
 */
import { afterEach, expect } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import OpenAI from 'openai';
import { startSidecar, type Sidecar, type SidecarOptions } from '../../src/commands/sidecar.ts';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../src/simulator/server.ts';
import { createLog } from '../../src/telemetry/log.ts';

/** The usual chain: the app asks for `chat`, `primary` serves it, `backup` when it cannot. */
export const CHAT = { models: ['primary'], fallback: ['backup'] };
export const KEYS = { PRIMARY_KEY: 'sk-primary-secret', BACKUP_KEY: 'sk-backup-secret' };
/** Of the process's limit, in every test: small enough to be filled by one request. */
export const BUFFER = 2 * 1024 * 1024;

export interface StackOptions {
  /** More of, or other, keys of `models.primary` and `models.backup`; undefined leaves a key out. */
  readonly primary?: object;
  readonly backup?: object;
  readonly models?: Record<string, object>;
  readonly groups?: Record<string, object>;
  readonly policy?: object;
  readonly simulator?: Partial<SimulatorOptions>;
  readonly sidecar?: Partial<SidecarOptions>;
  readonly env?: Record<string, string>;
}

export interface Stack {
  readonly sim: Simulator;
  readonly sidecar: Sidecar;
  readonly port: number;
  /** Without /v1. */
  readonly url: string;
  /** The official client, with nothing set but the address and any key. */
  readonly client: OpenAI;
  /** Every line that the sidecar logged. */
  readonly log: string[];
  metrics(): Promise<string>;
  /** The sum of the samples of a metric that carry these labels. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
  status(): Promise<Status>;
  /** What is used of one budget now. */
  used(model: string, dimension: string): Promise<number>;
  /** Resolves when no request runs and nothing is held; rejects when that does not come. */
  atRest(): Promise<void>;
  /** As at SIGTERM. */
  stop(graceMs: number): Promise<void>;
}

export interface Status {
  readonly models: Record<string, { readonly budgets: Record<string, { readonly limit: number; readonly used: number; readonly resetMs: number }>; readonly unusable: string | null }>;
  readonly groups: Record<string, { readonly lastDiversion: null | { readonly from: string; readonly to: string; readonly reason: string } }>;
  readonly requests: { readonly running: number };
}

const stacks: { stack: Stack; close: () => Promise<void> }[] = [];
const stopped = new WeakSet<Stack>();
const upstreams: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  const ended = stacks.splice(0);
  try {
    for (const { stack } of ended) if (!stopped.has(stack)) await stack.atRest();
  } finally {
    for (const { close } of ended) await close();
    for (const server of upstreams.splice(0)) server.close().closeAllConnections();
  }
});

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const sim = await startSimulator({ models: 'any', keepBodies: true, lenient: true, ...options.simulator });
  const baseUrl = `${sim.url}/v1`;
  const config = {
    models: {
      primary: { provider: 'openai', model: 'sim-primary', baseUrl, apiKey: { env: 'PRIMARY_KEY' }, ...options.primary },
      backup: { provider: 'openai', model: 'sim-backup', baseUrl, apiKey: { env: 'BACKUP_KEY' }, ...options.backup },
      ...options.models,
    },
    groups: { chat: CHAT, ...options.groups },
    // What a test is about stands out: nothing is tried again and nobody waits, unless it says so.
    policy: { retry: { attempts: 0, honourRetryAfter: '0ms' }, ...options.policy },
  };
  const log: string[] = [];
  const sidecar = await startSidecar({
    source: { name: 'spillway.yaml', open: (onText) => Promise.resolve(onText(JSON.stringify(config))), close: () => undefined },
    listen: [{ host: '127.0.0.1', port: 0 }],
    admin: [{ host: '127.0.0.1', port: 0 }],
    bufferBytes: BUFFER,
    bodyBytes: BUFFER,
    bodyIdleMs: 10_000,
    env: { ...KEYS, ...options.env },
    log: createLog('trace', { write: (line: string) => void log.push(line) }),
    window: { stepMs: 1000, steps: 61 },
    // A busy machine takes its time between the decision and the socket.
    maxAgeMs: 10_000,
    pod: 'pod',
    ...options.sidecar,
  });
  const { port } = sidecar.listen[0]!;
  const url = `http://127.0.0.1:${port}`;
  const admin = `http://127.0.0.1:${sidecar.admin.port}`;
  const stack: Stack = {
    sim,
    sidecar,
    port,
    url,
    client: new OpenAI({ apiKey: 'anything', baseURL: `${url}/v1`, maxRetries: 0 }),
    log,
    metrics: async () => (await fetch(`${admin}/metrics`)).text(),
    metric: async (name, labels = {}) => sum(await stack.metrics(), name, labels),
    status: async () => (await (await fetch(`${admin}/status`)).json()) as Status,
    used: async (model, dimension) => (await stack.status()).models[model]!.budgets[dimension]!.used,
    async atRest() {
      await until(async () => (await stack.status()).requests.running === 0, 'no request runs');
      for (const [model, { budgets }] of Object.entries((await stack.status()).models)) {
        expect({ model, concurrency: budgets['concurrency']?.used ?? 0 }).toEqual({ model, concurrency: 0 });
      }
      await until(async () => (await holdsNothing(url)) === 404, 'nothing is held');
    },
    stop(graceMs) {
      stopped.add(stack);
      return sidecar.close(graceMs);
    },
  };
  const close = async (): Promise<void> => {
    if (!stopped.has(stack)) await sidecar.close(2000);
    await sim.close();
  };
  stacks.push({ stack, close });
  return stack;
}

/** A request as long as the whole limit is taken (and then not found) only when not one byte is held. */
async function holdsNothing(url: string): Promise<number> {
  const body = JSON.stringify({ model: 'unknown', text: '' });
  const full = body.replace('""', `"${' '.repeat(BUFFER - body.length)}"`);
  return (await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: full })).status;
}

export async function until(condition: () => boolean | Promise<boolean>, what: string, ms = 5000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await later(10);
  }
}

export function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function sum(text: string, name: string, labels: Record<string, string>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.filter((line) => wanted.every((pair) => line.includes(pair))).reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
}

export interface Seen {
  readonly rawHeaders: string[];
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface Upstream {
  readonly baseUrl: string;
  readonly seen: Seen[];
  /** Connections accepted, and those open now. */
  readonly connections: { accepted: number; open: number };
}

/** A provider written by hand, for where the exact bytes matter. */
export async function startUpstream(answer: (res: ServerResponse, seen: Seen, req: IncomingMessage) => void): Promise<Upstream> {
  const seen: Seen[] = [];
  const connections = { accepted: 0, open: 0 };
  const server = createServer({ keepAliveTimeout: 120_000 }, (req, res) => {
    const chunks: Buffer[] = [];
    res.on('error', () => undefined);
    req.on('data', (chunk: Buffer) => void chunks.push(chunk));
    req.on('end', () => {
      const one = { rawHeaders: req.rawHeaders, headers: req.headers, body: Buffer.concat(chunks) };
      seen.push(one);
      answer(res, one, req);
    });
  });
  server.on('connection', (socket) => {
    connections.accepted++;
    connections.open++;
    socket.on('close', () => void connections.open--);
  });
  upstreams.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, seen, connections };
}

export interface Raw {
  readonly socket: Socket;
  /** All that came so far. */
  text(): string;
  /** Resolves with all that came when the other side is done, `end` or an error's code first. */
  readonly closed: Promise<{ how: string; text: string }>;
}

/** A connection on which a test says exactly what it likes. */
export function rawConnection(port: number, first: string | Buffer = ''): Raw {
  const socket = connect(port, '127.0.0.1');
  sockets.add(socket);
  const chunks: Buffer[] = [];
  const text = (): string => Buffer.concat(chunks).toString();
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  const closed = new Promise<{ how: string; text: string }>((resolve) => {
    socket.on('end', () => resolve({ how: 'end', text: text() }));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ how: error.code ?? 'error', text: text() }));
    socket.on('close', () => resolve({ how: 'close', text: text() }));
  });
  socket.write(first);
  return { socket, text, closed };
}

export function chatHead(length: number | 'chunked', extra = ''): string {
  const framing = length === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${length}`;
  return `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}\r\n${extra}\r\n`;
}

export const hi = (extra: object = {}): { model: string; messages: { role: 'user'; content: string }[] } => ({ model: 'chat', messages: [{ role: 'user', content: 'hi' }], ...extra });
