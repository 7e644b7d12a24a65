/** Corporate networks: an upstream behind TLS of a private authority, reached through a CONNECT proxy named in the environment. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const tls = new URL('../fixtures/tls/', import.meta.url).pathname;
const program = new URL('../../src/main.ts', import.meta.url).pathname;

let directory: string;
let upstream: Http2SecureServer;
let proxy: Server;
let sidecars: ChildProcess[];
/** What the proxy was asked to connect to. */
let tunnels: string[];
/** Of HTTP, as the upstream was spoken to. */
let versions: string[];

async function listening(server: Server | Http2SecureServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'spillway-proxy-'));
  tunnels = [];
  versions = [];
  sidecars = [];
  const answer = JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }] });
  // As the large providers do, it prefers HTTP/2.
  upstream = createSecureServer({ key: readFileSync(`${tls}server.key`), cert: readFileSync(`${tls}server.pem`), allowHTTP1: true }, (req, res) => {
    versions.push(req.httpVersion);
    req.resume().on('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end(answer));
  });
  proxy = createHttpServer();
  proxy.on('connect', (req, socket) => {
    tunnels.push(req.url ?? '');
    const [host, port] = (req.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
});

afterEach(async () => {
  for (const sidecar of sidecars) {
    const gone = once(sidecar, 'exit');
    sidecar.kill('SIGKILL');
    await gone;
  }
  upstream.close();
  proxy.close().closeAllConnections();
  rmSync(directory, { recursive: true, force: true });
});

/** Starts a sidecar with this environment and asks it once. @returns the status and the reason of the answer */
async function ask(port: number, env: Record<string, string>): Promise<{ status: number; reason: string | null }> {
  const config = join(directory, 'spillway.yaml');
  const model = `{ provider: openai, model: m, baseUrl: "https://localhost:${port}/v1" }`;
  writeFileSync(config, `version: 1\nmodels:\n  m: ${model}\ngroups:\n  chat: { models: [m] }\n`);
  const args = [program, 'serve', '--config', config, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const inherited = { PATH: process.env['PATH'] ?? '' };
  const sidecar = spawn(process.execPath, args, { env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  sidecars.push(sidecar);
  let text = '';
  await new Promise<void>((resolve) => {
    sidecar.stdout.on('data', (data) => {
      text += String(data);
      if (text.includes('"ready"')) resolve();
    });
  });
  const at = /"listen":\["([^"]+)"/.exec(text)![1]!;
  const response = await fetch(`http://${at}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'hi' }] }),
  });
  return { status: response.status, reason: response.headers.get('x-spillway-reason') };
}

test('NODE_EXTRA_CA_CERTS: an authority of one\'s own is trusted, and only then', async () => {
  const port = await listening(upstream);
  expect(await ask(port, { NODE_EXTRA_CA_CERTS: `${tls}ca.pem` })).toEqual({ status: 200, reason: null });
  expect(await ask(port, {})).toEqual({ status: 502, reason: 'connection' });
});

test('a request has a connection of its own, also where the upstream would take HTTP/2', async () => {
  await ask(await listening(upstream), { NODE_EXTRA_CA_CERTS: `${tls}ca.pem` });
  expect(versions).toEqual(['1.1']);
});

test('HTTPS_PROXY: upstreams are reached through the proxy', async () => {
  const port = await listening(upstream);
  const env = { NODE_EXTRA_CA_CERTS: `${tls}ca.pem`, HTTPS_PROXY: `http://127.0.0.1:${await listening(proxy)}` };
  expect(await ask(port, env)).toEqual({ status: 200, reason: null });
  expect(tunnels).toEqual([`localhost:${port}`]);
  expect(versions).toEqual(['1.1']);
});

test('NO_PROXY: what it names is reached directly', async () => {
  const port = await listening(upstream);
  const env = { NODE_EXTRA_CA_CERTS: `${tls}ca.pem`, HTTPS_PROXY: `http://127.0.0.1:${await listening(proxy)}`, NO_PROXY: 'localhost' };
  expect(await ask(port, env)).toEqual({ status: 200, reason: null });
  expect(tunnels).toEqual([]);
});
