/**
 * Sentinels that want a password get Redis' own, which is how they are commonly set up; one that wants none is sent none,
 * since it would refuse it.
 */
import type { Redis } from 'ioredis';

export function answerSentinels(client: Redis): void {
  const { options } = client;
  let asWhom: 'nobody' | 'default' | 'user' = 'nobody';
  const given = (name: string, get: () => unknown) => Object.defineProperty(options, name, { get, enumerable: true, configurable: true });
  given('sentinelUsername', () => (asWhom === 'user' ? options.username : null));
  given('sentinelPassword', () => (asWhom === 'nobody' ? null : options.password));
  // ioredis asks the next Sentinel right behind this.
  client.on('sentinelError', ({ message }: Error) => {
    if (/\bNOAUTH\b/.test(message)) asWhom = 'default';
    else if (/\bWRONGPASS\b/.test(message)) asWhom = asWhom === 'default' && options.username ? 'user' : 'default';
  });
}
