import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createHttpServer } from '../../../src/server/http-server.ts';

const SLOW = 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow';

let server: Server | undefined;
let sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  server?.close().closeAllConnections();
});

async function open(listener: RequestListener = (_req, res) => res.end('ok')): Promise<void> {
  server = createHttpServer(listener, { headersTimeoutMs: 300, keepAliveMs: 1000 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

/** @returns the socket, and all that was said to it until it was closed */
function say(first: string, allowHalfOpen = false): { socket: Socket; said: () => string; closed: Promise<string> } {
  const socket = connect({ port: (server!.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen });
  sockets.push(socket);
  let text = '';
  socket.on('data', (chunk: Buffer) => void (text += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(first);
  return { socket, said: () => text, closed: once(socket, 'close').then(() => text) };
}

test('headers that come too slowly: 408 in the shape of every error, and the connection is closed', async () => {
  await open();
  const text = await say(SLOW).closed;
  expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
  const [head, body] = text.split('\r\n\r\n');
  expect(head).toContain(`content-length: ${body!.length}`);
  expect(JSON.parse(body!)).toMatchObject({ error: { code: 'invalid_http', param: null } });
});

test('who is refused and keeps its own side open is let go of all the same', async () => {
  await open();
  const connection = once(server!, 'connection') as Promise<[Socket]>;
  const { said } = say(SLOW, true);
  const [held] = await connection;
  await once(held, 'close');
  expect(said()).toMatch(/^HTTP\/1\.1 408 /);
});

test.each(['1.0', '1.1'])('bytes that are no request, behind a request that is being answered, put nothing into its answer (HTTP/%s)', async (version) => {
  await open((_req, res) => void res.writeHead(200).write('the beginning'));
  const { socket, said, closed } = say(`GET / HTTP/${version}\r\nhost: x\r\n\r\n`);
  while (!said().includes('the beginning')) await once(socket, 'data');
  socket.write('\0garbage\r\n\r\n');
  const text = await closed;
  expect(text).toContain('the beginning');
  expect(text).not.toContain('invalid_http');
});
