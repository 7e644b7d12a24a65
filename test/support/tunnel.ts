/** What stands between a pod and a provider in a company: TLS of a private authority, and a proxy that tunnels to it. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

const file = (name: string): string => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
const ANSWER = JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }] });

/** Of the authority that signed the upstream's certificate: NODE_EXTRA_CA_CERTS. */
export const AUTHORITY = file('ca.pem');

export interface SecureUpstream {
  readonly port: number;
  /** Of HTTP, as it was spoken to, call by call. */
  readonly versions: string[];
  close(): void;
}

/** As the large providers do, it prefers HTTP/2. Its certificate is of `localhost`. */
export async function startSecureUpstream(): Promise<SecureUpstream> {
  const versions: string[] = [];
  const server = createSecureServer({ key: readFileSync(file('server.key')), cert: readFileSync(file('server.pem')), allowHTTP1: true }, (req, res) => {
    versions.push(req.httpVersion);
    req.resume().on('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER));
  });
  return { port: await listening(server), versions, close: () => void server.close() };
}

export interface Proxy {
  readonly port: number;
  /** What it was asked to connect to. */
  readonly tunnels: string[];
  close(): void;
}

export async function startProxy(): Promise<Proxy> {
  const tunnels: string[] = [];
  const server = createServer().on('connect', (req, socket) => {
    tunnels.push(req.url ?? '');
    const [host, port] = (req.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  return { port: await listening(server), tunnels, close: () => server.close().closeAllConnections() };
}

async function listening(server: Server | Http2SecureServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
