import { afterEach, expect, test } from '@jest/globals';
import type { Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { createHttpServer } from '../../../src/server/http-server.ts';

let server: Server | undefined;
afterEach(() => void server?.close().closeAllConnections());

function say(first: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect((server!.address() as AddressInfo).port, '127.0.0.1', () => socket.write(first));
    let text = '';
    socket.on('data', (chunk: Buffer) => void (text += chunk.toString()));
    socket.on('close', () => resolve(text));
    socket.on('error', () => undefined);
  });
}

test('headers that come too slowly: 408 in the shape of every error, and the connection is closed', async () => {
  server = createHttpServer((_req, res) => res.end('ok'), { headersTimeoutMs: 300, keepAliveMs: 1000 });
  await new Promise<void>((resolve) => {
    server!.listen(0, '127.0.0.1', resolve);
  });
  const text = await say('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow');
  expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
  const [head, body] = text.split('\r\n\r\n');
  expect(head).toContain(`content-length: ${body!.length}`);
  expect(JSON.parse(body!)).toMatchObject({ error: { code: 'invalid_http', param: null } });
});
