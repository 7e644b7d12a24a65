/** What is measured: the direct way, nginx, Spillway twice, Portkey. Each stands before the same upstream. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { has, type Machine, type Program } from './processes.ts';

export const UPSTREAM = 9180;
const REDIS = 9179;

export interface Contender {
  readonly name: string;
  readonly port: number;
  /** Header lines that it needs. */
  readonly headers: string;
  /** Undefined: nothing stands between. */
  readonly start: (() => Promise<Program>) | undefined;
}

const here = (name: string): string => new URL(name, import.meta.url).pathname;

export async function contenders(machine: Machine, directory: string): Promise<{ list: Contender[]; missing: string[] }> {
  const missing: string[] = [];
  const list: Contender[] = [{ name: 'direct', port: UPSTREAM, headers: '', start: undefined }];
  const unless = (isThere: boolean, name: string, contender: () => Contender): void => void (isThere ? list.push(contender()) : missing.push(name));
  unless(has('nginx', '-v'), 'nginx', () => nginx(machine, directory));
  list.push(spillway(machine, directory, 'Spillway', 9142, ''));
  const redis = has('redis-server');
  if (redis) await machine.start(1, REDIS, 'redis-server', ['--port', String(REDIS), '--save', '', '--appendonly', 'no', '--dir', directory]);
  unless(redis, 'redis-server', () => spillway(machine, directory, 'Spillway+Redis', 9144, `redis: { url: "redis://127.0.0.1:${REDIS}" }`));
  unless(installPortkey(), 'Portkey', () => portkey(machine));
  return { list, missing };
}

/** With a primary and a fallback, both with limits that are checked and never reached. */
function spillway(machine: Machine, directory: string, name: string, port: number, redis: string): Contender {
  const config = join(directory, `${name}.yaml`);
  const limits = '{ requestsPerMinute: 100000000, tokensPerMinute: 100000000000 }';
  const model = `{ provider: openai, model: m, baseUrl: "http://127.0.0.1:${UPSTREAM}/v1", limits: ${limits} }`;
  writeFileSync(config, ['version: 1', 'models:', `  a: ${model}`, `  b: ${model}`, 'groups:', '  chat: { models: [a], fallback: [b] }', redis, ''].join('\n'));
  const args = [here('../dist/main.js'), 'serve', '--config', config, '--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${port + 1}`];
  // As the image starts it: docs/decisions/0005-image.md.
  const env = { MALLOC_ARENA_MAX: '1', NODE_COMPILE_CACHE: join(directory, 'cache') };
  return { name, port, headers: '', start: () => machine.start(0, port, process.execPath, ['--max-semi-space-size=4', ...args], env) };
}

function nginx(machine: Machine, directory: string): Contender {
  const config = join(directory, 'nginx.conf');
  const port = 9140;
  const lines = [
    'daemon off; worker_processes 1; error_log stderr crit;',
    `pid ${directory}/nginx.pid;`,
    'events { worker_connections 1024; }',
    'http { access_log off; client_body_buffer_size 1m; client_max_body_size 64m; keepalive_requests 1000000000;',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`),
    `upstream up { server 127.0.0.1:${UPSTREAM}; keepalive 256; keepalive_requests 1000000000; }`,
    `server { listen 127.0.0.1:${port}; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }`,
  ];
  writeFileSync(config, lines.join('\n'));
  return { name: 'nginx', port, headers: '', start: () => machine.start(0, port, 'nginx', ['-c', config, '-p', directory]) };
}

function installPortkey(): boolean {
  const program = here('node_modules/@portkey-ai/gateway/build/start-server.js');
  if (!existsSync(program)) spawnSync('npm', ['ci', '--prefix', here('.')], { stdio: 'ignore' });
  return existsSync(program);
}

function portkey(machine: Machine): Contender {
  const port = 9146;
  const headers = `x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:${UPSTREAM}/v1\r\n`;
  const args = [here('node_modules/@portkey-ai/gateway/build/start-server.js'), `--port=${port}`, '--headless'];
  return { name: 'Portkey', port, headers, start: () => machine.start(0, port, process.execPath, args) };
}
