/** The API server as a person's kubectl sees it, through the client library: it knows every way to log in. */
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import type { Dispatcher } from 'undici';
import { destroyDispatcher, ownDispatcher, type Cluster, type Link } from './link.ts';

/** @param paths as KUBECONFIG has them; by default ~/.kube/config */
export function fromKubeconfig(paths = process.env['KUBECONFIG'] || join(homedir(), '.kube', 'config')): Cluster {
  // Read again each time, as the in-cluster files are: logins are renewed by other programs.
  const load = (): KubeConfig => {
    const config = new KubeConfig();
    for (const [i, path] of paths.split(delimiter).filter((path) => path !== '').entries()) {
      if (i === 0) config.loadFromFile(path);
      else config.mergeConfig(read(path));
    }
    return config;
  };
  return {
    async link() {
      const config = load();
      const server = config.getCurrentCluster()?.server;
      if (server === undefined) throw new Error(`${paths} has no current context with a cluster`);
      return { server, ...(await credentials(config)) };
    },
    async namespace() {
      return load().getContextObject(load().getCurrentContext())?.namespace;
    },
  };
}

function read(path: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(path);
  return config;
}

async function credentials(config: KubeConfig): Promise<Omit<Link, 'server'>> {
  const headers: Record<string, string> = {};
  let made: Dispatcher | undefined;
  const context = {
    setHeaderParam: (name: string, value: string) => void (headers[name] = value),
    setDispatcher: (dispatcher: Dispatcher) => void (made = dispatcher),
  };
  await config.applySecurityAuthentication(context as unknown as RequestContext);
  const { dispatcher, destroy } = made === undefined ? ownDispatcher(undefined) : given(made);
  // It would take HTTP/2 if the server does.
  const overHttp1 = dispatcher.compose((dispatch) => (options, handler) => dispatch({ ...options, allowH2: false } as typeof options, handler));
  return { headers, dispatcher: overHttp1, close: (reason = new Error('closed')) => destroy(reason) };
}

function given(dispatcher: Dispatcher): ReturnType<typeof ownDispatcher> {
  return { dispatcher, destroy: (reason) => destroyDispatcher(dispatcher, reason) };
}
