/** Where Redis is and what opens it. What comes from a file may be replaced while the process runs: it is read anew for every connection. */
import type { RedisOptions } from 'ioredis';
import { isIP } from 'node:net';

/** A value, or how to read it. */
export type Renewed = string | (() => string);

export interface RedisSettings {
  /** redis:// or rediss://; instead of host and port. */
  readonly url?: Renewed;
  readonly host?: string;
  readonly port?: number;
  readonly db?: number;
  /** Those of the url come first. */
  readonly username?: Renewed;
  readonly password?: Renewed;
  readonly tls?: { readonly ca?: Renewed };
  /** Nodes as host:port. */
  readonly sentinel?: { readonly name: string; readonly nodes: readonly string[] };
  readonly cluster?: { readonly nodes: readonly string[] };
}

export interface Access {
  readonly username?: string;
  readonly password?: string;
  readonly tls?: { readonly ca?: string; readonly servername?: string };
}

/** Enough for the errors that are still on their way when a password is replaced. */
const REMEMBERED = 8;

const seen = new WeakMap<RedisSettings, string[]>();

/** What must not be seen in an error's text. The list itself changes when a password does. */
export function secretsOf(settings: RedisSettings): readonly string[] {
  accessOf(settings);
  return seen.get(settings)!;
}

/** @param host the name in the server's certificate, which Node does not send by itself */
export function accessOf(settings: RedisSettings, host?: string): Access {
  const url = urlOf(settings);
  const username = (url && decodeURIComponent(url.username)) || read(settings.username);
  const password = (url && decodeURIComponent(url.password)) || read(settings.password);
  remember(settings, [url?.password, password]);
  const ca = read(settings.tls?.ca);
  const servername = host !== undefined && isIP(host) === 0 ? host : undefined;
  return {
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(settings.tls || url?.protocol === 'rediss:' ? { tls: { ...(ca && { ca }), ...(servername && { servername }) } } : {}),
  };
}

/**
 * ioredis copies its options when it is made, and looks into its copy at each connection. What cannot be read just then
 * is left as it was: an error thrown there would end the reconnecting for good.
 */
export function keepFresh(options: RedisOptions, settings: RedisSettings, host?: string): void {
  let last = accessOf(settings, host);
  const now = (): Access => {
    try {
      last = accessOf(settings, host);
    } catch {
      // A file that is being replaced.
    }
    return last;
  };
  const tlsKeys = settings.sentinel ? ['tls', 'sentinelTLS'] : ['tls'];
  const fresh = (name: string, get: () => unknown) => Object.defineProperty(options, name, { get, enumerable: true, configurable: true });
  fresh('username', () => now().username);
  fresh('password', () => now().password);
  for (const name of tlsKeys) fresh(name, () => now().tls);
}

/** Node's own error carries the whole text, and with it the password. */
export function urlOf(settings: RedisSettings): URL | undefined {
  const url = read(settings.url);
  if (url === undefined) return undefined;
  if (!URL.canParse(url)) throw new Error('the Redis url cannot be read');
  return new URL(url);
}

function read(value: Renewed | undefined): string | undefined {
  return typeof value === 'function' ? value() : value;
}

function remember(settings: RedisSettings, secrets: readonly (string | undefined)[]): void {
  const known = seen.get(settings) ?? [];
  seen.set(settings, known);
  for (const secret of secrets) if (secret && !known.includes(secret)) known.push(secret);
  known.splice(0, known.length - REMEMBERED);
}
