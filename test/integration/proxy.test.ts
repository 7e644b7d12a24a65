/** Corporate networks: an upstream behind TLS of a private authority, reached through a CONNECT proxy named in the environment. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chat, closeConnections } from '../chaos/client.ts';
import { finished, killAll, startSidecar } from '../support/processes.ts';
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

/** @returns where it is */
function configuration(): string {
  const config = join(directory, 'spillway.yaml');
  writeFileSync(config, `version: 1\nmodels:\n  m: { provider: openai, model: m, baseUrl: "https://localhost:${upstream.port}/v1" }\ngroups:\n  chat: { models: [m] }\n`);
  return config;
}

/** Starts a sidecar with this environment and asks it once. */
async function ask(env: Record<string, string>): Promise<{ status: number; reason: unknown }> {
  const { url } = await startSidecar({ config: configuration(), env });
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

test('HTTPS_PROXY without a scheme is an address of http, as for curl; forwarded calls take the same way', async () => {
  const { url } = await startSidecar({ config: configuration(), env: { ...TRUSTED, HTTPS_PROXY: `127.0.0.1:${proxy.port}` } });
  expect((await chat(url, { model: 'chat' })).status).toBe(200);
  expect((await fetch(`${url}/v1/files`, { headers: { 'x-spillway-model': 'm' } })).status).toBe(200);
  expect(proxy.tunnels).toEqual(Array.from({ length: 2 }, () => `localhost:${upstream.port}`));
});

test.each([['HTTPS_PROXY', 'http://'], ['http_proxy', 'ftp://user:hidden@proxy:1'], ['https_proxy', 'user:hid den@proxy:x'], ['HTTP_PROXY', 'http://user:hidden%zz@proxy:1']])('%s=%s is wrong usage, told without the value', async (name, value) => {
  const { code, stdout, stderr } = await finished(['serve', '--config', configuration()], { env: { [name]: value } });
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(`the environment variable ${name} is no address of a proxy`) });
  expect(stderr).not.toMatch(/hid|spillway\.yaml/);
});

test('NO_PROXY: what it names is reached directly', async () => {
  expect(await ask({ ...TRUSTED, HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: 'localhost' })).toEqual({ status: 200, reason: null });
  expect(proxy.tunnels).toEqual([]);
});
