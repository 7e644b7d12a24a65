import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Dispatchers, type Idle } from '../../../src/upstream/dispatchers.ts';

const tls = new URL('../../fixtures/tls/', import.meta.url).pathname;
const trusted = getCACertificates('default');

interface Upstream {
  readonly server: Server;
  readonly origin: string;
  /** Every connection that was made to it. */
  readonly sockets: Socket[];
}

let open: Upstream[];
let dispatchers: Dispatchers | undefined;

beforeEach(() => {
  open = [];
  setDefaultCACertificates([...trusted, readFileSync(`${tls}ca.pem`, 'utf8')]);
});

afterEach(async () => {
  setDefaultCACertificates(trusted);
  await dispatchers?.close();
  for (const { server } of open) server.close();
});

/** It says nothing of how long it keeps a connection. */
async function upstream(scheme: 'http' | 'https'): Promise<Upstream> {
  const options = { key: readFileSync(`${tls}server.key`), cert: readFileSync(`${tls}server.pem`), keepAliveTimeout: 0 };
  const server = scheme === 'https' ? createTlsServer(options) : createServer(options);
  const sockets: Socket[] = [];
  server.on('request', (req, res) => void req.resume().on('end', () => res.end('ok')));
  server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const made = { server, origin: `${scheme}://localhost:${(server.address() as AddressInfo).port}`, sockets };
  open.push(made);
  return made;
}

async function ask({ origin }: Upstream): Promise<void> {
  const { statusCode, body } = await dispatchers!.to(origin).request({ origin, path: '/', method: 'POST', body: 'x' });
  expect([statusCode, await body.text()]).toEqual([200, 'ok']);
}

/** @returns how many connections each took for two requests, with a time between in which the shorter limit ran out */
async function askedTwice(idle: Idle, shorter: 'http' | 'https'): Promise<{ http: number; https: number }> {
  dispatchers = new Dispatchers({}, idle);
  const [http, https] = await Promise.all([upstream('http'), upstream('https')]);
  const [first, last] = shorter === 'http' ? [https, http] : [http, https];
  // The shorter one last: it cannot be closed before it is listened for, and the other is free again by then.
  await ask(first);
  await ask(last);
  await once(last.sockets[0]!, 'close');
  await Promise.all([ask(http), ask(https)]);
  return { http: http.sockets.length, https: https.sockets.length };
}

test('a connection with TLS is kept longer than a plain one', async () => {
  expect(await askedTwice({ plain: 1, tls: 60_000 }, 'http')).toEqual({ http: 2, https: 1 });
});

test('each has its own limit', async () => {
  expect(await askedTwice({ plain: 60_000, tls: 1 }, 'https')).toEqual({ http: 1, https: 2 });
});
