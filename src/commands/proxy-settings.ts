/** The environment's proxies, one reading of them for all upstreams. */
import type { ProxySettings } from '../upstream/dispatchers.ts';
import { UsageError, type Io } from './command.ts';

const PROTOCOLS = new Set(['http:', 'https:', 'socks5:', 'socks:']);

/**
 * Lower case first, as curl has it: HTTP_PROXY in upper case may be a CGI header.
 * @throws UsageError for what is no address; it names the variable and not the value, which may hold a password
 */
export function proxySettings(env: Io['env']): ProxySettings {
  return {
    HTTP_PROXY: addressIn('http_proxy', env) ?? addressIn('HTTP_PROXY', env),
    HTTPS_PROXY: addressIn('https_proxy', env) ?? addressIn('HTTPS_PROXY', env),
    NO_PROXY: env['no_proxy'] ?? env['NO_PROXY'],
  };
}

function addressIn(name: string, env: Io['env']): string | undefined {
  const value = env[name]?.trim();
  if (value === undefined || value === '') return value;
  // curl takes HOST:PORT, and so do the files in which people write it.
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  if (!isUsable(URL.parse(address))) throw new UsageError(`the environment variable ${name} is no address of a proxy: expected one such as http://proxy.example.com:3128`);
  return address;
}

function isUsable(url: URL | null): boolean {
  if (url === null || url.hostname === '' || !PROTOCOLS.has(url.protocol)) return false;
  try {
    decodeURIComponent(url.username + url.password);
    return true;
  } catch {
    return false;
  }
}
