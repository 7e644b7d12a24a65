/** Connections to upstreams: undici pools, one an origin, shared by all models and kept over reloads. */
import { EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici';

export interface ProxySettings {
  readonly HTTP_PROXY?: string | undefined;
  readonly HTTPS_PROXY?: string | undefined;
  readonly NO_PROXY?: string | undefined;
}

const OPTIONS = {
  // The gateway has its own time-outs, on one coarse timer.
  headersTimeout: 0,
  bodyTimeout: 0,
  // One request a connection at a time: an answer never waits behind a stream, and one connection that breaks takes one answer
  // with it. HTTP/2, which undici takes if a server offers it, would put all on one.
  pipelining: 1,
  allowH2: false,
  // A backstop; `policy.timeouts.connect` is met by the attempt itself.
  connect: { timeout: 60_000 },
} as const;

/** How long a connection may be idle, in milliseconds, if the server does not say it (`keep-alive: timeout=`). */
export interface Idle {
  readonly plain: number;
  readonly tls: number;
}

/**
 * Hosted providers keep idle connections for a minute and more, and a new one costs an app that asks now and then two round
 * trips. Servers in the cluster may close after 5 s (uvicorn, and with it vLLM) and say nothing of it; one is made in no time.
 */
export const IDLE: Idle = { plain: 4_000, tls: 30_000 };

export class Dispatchers {
  private readonly pools = new Map<string, Pool>();
  private readonly proxy: EnvHttpProxyAgent | undefined;
  private readonly idle: Idle;

  constructor(proxy: ProxySettings, idle: Idle = IDLE) {
    this.idle = idle;
    const { HTTP_PROXY: httpProxy, HTTPS_PROXY: httpsProxy, NO_PROXY: noProxy } = proxy;
    const given = { ...(httpProxy && { httpProxy }), ...(httpsProxy && { httpsProxy }) };
    if (Object.keys(given).length > 0) this.proxy = new EnvHttpProxyAgent({ ...OPTIONS, ...given, noProxy: noProxy ?? '' });
  }

  /** The way to `origin`, opened when first asked for. */
  to(origin: string): Dispatcher {
    if (this.proxy !== undefined) return this.proxy;
    let pool = this.pools.get(origin);
    if (pool === undefined) {
      const keepAliveTimeout = origin.startsWith('https:') ? this.idle.tls : this.idle.plain;
      pool = new Pool(origin, { ...OPTIONS, connections: null, keepAliveTimeout });
      this.pools.set(origin, pool);
    }
    return pool;
  }

  /** Lets go of the connections to origins that no model names any more; their running requests finish. */
  retain(origins: ReadonlySet<string>): void {
    for (const [origin, pool] of this.pools) {
      if (origins.has(origin)) continue;
      this.pools.delete(origin);
      void pool.close().catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    const all: Dispatcher[] = [...this.pools.values(), ...(this.proxy ? [this.proxy] : [])];
    this.pools.clear();
    await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
  }
}
