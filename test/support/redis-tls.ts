/** A real redis-server with TLS, for localhost and 127.0.0.1; its authority is the fixture's own. */
import { fileURLToPath } from 'node:url';
import { freePort, startRedis, type RedisServer, type RedisServerOptions } from './redis-server.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));

export const CA_FILE = fixture('ca.pem');

/** For a server of any kind: its connections with TLS need no certificate of the client. */
export const TLS_ARGS = ['--tls-cert-file', fixture('server.pem'), '--tls-key-file', fixture('server.key'), '--tls-ca-cert-file', CA_FILE, '--tls-auth-clients', 'no'];

export interface TlsRedis extends RedisServer {
  /** `port` stays without TLS, for the test itself. */
  readonly tlsPort: number;
}

export async function startTls(options: RedisServerOptions = {}): Promise<TlsRedis> {
  const tlsPort = await freePort();
  const server = await startRedis({ ...options, args: ['--tls-port', String(tlsPort), ...TLS_ARGS, ...(options.args ?? [])] });
  return { ...server, tlsPort };
}
