/** The API server as a pod sees it. The client library's own configuration would bring every model of Kubernetes with it. */
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { ownDispatcher, type Cluster } from './link.ts';

export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

type Environment = Readonly<Record<string, string | undefined>>;

export function isInCluster(env: Environment): boolean {
  return (env['KUBERNETES_SERVICE_HOST'] ?? '') !== '';
}

/** @param directory another than the usual one when a projected token is mounted for the sidecar alone */
export function inCluster(env: Environment, directory = env['SPILLWAY_SERVICE_ACCOUNT'] ?? SERVICE_ACCOUNT): Cluster {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
  return {
    async link() {
      // One after the other: where both are missing, the same one is named each time.
      const token = await read('token');
      const ca = await read('ca.crt');
      const { dispatcher, destroy } = ownDispatcher(ca);
      return { server, headers: { authorization: `Bearer ${token.trim()}` }, dispatcher, close: (reason = new Error('closed')) => destroy(reason) };
    },
    namespace: () => read('namespace').then((text) => text.trim() || undefined, () => undefined),
  };
}
