/** One road to the API server with fresh credentials. Whatever it is busy with, closing it leaves no socket behind. */
import type { Socket } from 'node:net';
import { Agent, buildConnector, type Dispatcher } from 'undici';

export interface Link {
  /** `https://HOST:PORT`, and a path if a kubeconfig has one. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
  /** Also a request that runs fails, with this reason. */
  close(reason?: Error): void;
}

export interface Cluster {
  /** Credentials are read again for each link: tokens are replaced every hour, authorities now and then. */
  link(): Promise<Link>;
  /** The pod's own namespace, or the kubeconfig's. */
  namespace(): Promise<string | undefined>;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Before the usual idle time-outs of what stands between; a peer that is gone shows 10 s later. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/** HTTP/1.1: a connection is the watch's own, so that its end is seen. Deadlines are the callers'. */
export function ownDispatcher(ca: string | undefined): { readonly dispatcher: Dispatcher; readonly destroy: (reason: Error) => void } {
  const sockets = new Set<Socket>();
  const connector = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    allowH2: false,
    ...(ca !== undefined && { ca }),
  } as buildConnector.BuildOptions);
  const dispatcher = new Agent({
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect(options, callback) {
      const socket = connector(options, callback) as unknown as Socket;
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    },
  });
  const destroy = (reason: Error): void => {
    destroyDispatcher(dispatcher, reason);
    // The agent knows those alone that are connected.
    for (const socket of sockets) socket.destroy(reason);
  };
  return { dispatcher, destroy };
}

export function destroyDispatcher(dispatcher: Dispatcher, reason: Error): void {
  dispatcher.destroy(reason).catch(() => undefined);
}
