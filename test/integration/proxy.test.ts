/** Corporate networks: an upstream behind TLS of a private authority, reached through a CONNECT proxy named in the environment. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chat, closeConnections } from '../chaos/client.ts';
import { killAll, startSidecar } from '../support/processes.ts';
import { AUTHORITY, startProxy, startSecureUpstream, type Proxy, type SecureUpstream } from '../support/tunnel.ts';

const TRUSTED = { NODE_EXTRA_CA_CERTS: AUTHORITY };

let directory: string;
let upstream: SecureUpstream;
let proxy: Proxy;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'spillway-proxy-'));
  [upstream, proxy] = await Promise.all([startSecureUpstream(), startProxy()]);
});

afterEach(async () => {
  closeConnections();
  await killAll();
  upstream.close();
  proxy.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Starts a sidecar with this environment and asks it once. */
async function ask(env: Record<string, string>): Promise<{ status: number; reason: unknown }> {
  const config = join(directory, 'spillway.yaml');
  writeFileSync(config, `version: 1\nmodels:\n  m: { provider: openai, model: m, baseUrl: "https://localhost:${upstream.port}/v1" }\ngroups:\n  chat: { models: [m] }\n`);
  const { url } = await startSidecar({ config, env });
  const { status, headers } = await chat(url, { model: 'chat' });
  return { status, reason: headers['x-spillway-reason'] ?? null };
}

test('NODE_EXTRA_CA_CERTS: an authority of one\'s own is trusted, and only then', async () => {
  expect(await ask(TRUSTED)).toEqual({ status: 200, reason: null });
  expect(await ask({})).toEqual({ status: 502, reason: 'connection' });
});

test('a request has a connection of its own, also where the upstream would take HTTP/2', async () => {
  await ask(TRUSTED);
  expect(upstream.versions).toEqual(['1.1']);
});

test('HTTPS_PROXY: upstreams are reached through the proxy', async () => {
  expect(await ask({ ...TRUSTED, HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })).toEqual({ status: 200, reason: null });
  expect(proxy.tunnels).toEqual([`localhost:${upstream.port}`]);
  expect(upstream.versions).toEqual(['1.1']);
});

test('NO_PROXY: what it names is reached directly', async () => {
  expect(await ask({ ...TRUSTED, HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: 'localhost' })).toEqual({ status: 200, reason: null });
  expect(proxy.tunnels).toEqual([]);
});
