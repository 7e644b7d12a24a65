/** Redis is at one place, and its address holds no password. */
import type { Finding } from '../issues.ts';
import { mapping, type Check } from '../raw.ts';

const WAYS = ['url', 'host', 'sentinel', 'cluster'];

export const redisIsOnePlace: Check = (root) => {
  const value = root['redis'];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const redis = mapping(value);
  const ways = WAYS.filter((way) => redis[way] !== undefined);
  const found: Finding[] = [];
  if (ways.length === 0) found.push({ path: ['redis'], at: 'key', message: `redis needs one of ${WAYS.join(', ')}` });
  for (const way of ways.slice(1)) {
    found.push({ path: ['redis', way], at: 'key', message: `redis is at one place: keep ${ways[0]} or ${way}, not both` });
  }
  if (redis['port'] !== undefined && redis['host'] === undefined && ways.length > 0) {
    found.push({ path: ['redis', 'port'], at: 'key', message: 'port goes with host only: remove it, or write it into the address' });
  }
  return [...found, ...urlMistakes(redis['url'])];
};

function urlMistakes(written: unknown): Finding[] {
  if (typeof written !== 'string') return [];
  const mistake = (message: string): Finding[] => [{ path: ['redis', 'url'], at: 'value', message }];
  const url = URL.parse(written);
  if (!url || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') return mistake('expected redis://HOST:PORT, rediss://HOST:PORT, { env: NAME } or { file: PATH }');
  if (url.password !== '') return mistake('a password in the address is refused: write url: { env: NAME }, or put it into password: { env: NAME }');
  return [];
}
