/** What the client is made of: which secret is used, which are hidden, and what ioredis is told. */
import { expect, jest, test } from '@jest/globals';
import type { Redis, RedisOptions } from 'ioredis';
import { clusterOptions, redisOptions, secretsOf, type RedisSettings } from '../../../src/budgets/client.ts';
import { accessOf, keepFresh } from '../../../src/budgets/redis-access.ts';
import { answerSentinels } from '../../../src/budgets/sentinel-password.ts';
import { redisSettings } from '../../../src/commands/redis-settings.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { EventEmitter } from 'node:events';

const half = () => 0.5;

test('a user and a password beside the address are used, those in it come first', () => {
  expect(accessOf({ url: 'redis://host', username: 'me', password: 'secret' })).toEqual({ username: 'me', password: 'secret' });
  expect(accessOf({ url: 'redis://:other@host', username: 'me', password: 'secret' })).toEqual({ username: 'me', password: 'other' });
  expect(accessOf({})).toEqual({});
  expect(redisOptions({ url: 'redis://host', db: 3 }, half).db).toBe(3);
  expect(redisOptions({ url: 'redis://host/4', db: 3 }, half).db).toBe(4);
});

test('a certificate is asked for by name, also in a cluster', () => {
  expect(redisOptions({ url: 'rediss://cache.example' }, half).tls).toEqual({ servername: 'cache.example' });
  expect(redisOptions({ url: 'rediss://10.0.0.1' }, half).tls).toEqual({});
  const use = jest.fn();
  clusterOptions({ cluster: { nodes: [] }, tls: {} }, half).dnsLookup!('cache.example', use);
  expect(use).toHaveBeenCalledWith(null, 'cache.example');
  expect(clusterOptions({ cluster: { nodes: [] } }, half)).not.toHaveProperty('dnsLookup');
});

test('what is read anew is seen by the options and hidden in errors; what cannot be read stays', () => {
  let password: string | null = 'one';
  const read = () => {
    if (password === null) throw new Error('gone');
    return password;
  };
  const settings: RedisSettings = { host: 'h', password: read, tls: { ca: () => `CA of ${read()}` } };
  const options: RedisOptions = {};
  keepFresh(options, settings, 'h');
  const secrets = secretsOf(settings);
  expect(options).toMatchObject({ password: 'one', tls: { ca: 'CA of one', servername: 'h' } });
  password = 'two';
  expect({ ...options }).toMatchObject({ password: 'two', tls: { ca: 'CA of two' } });
  password = null;
  expect({ ...options }).toMatchObject({ password: 'two', tls: { ca: 'CA of two' } });
  expect(secrets).toEqual(['one', 'two']);
  for (let i = 0; i < 50; i += 1) {
    password = `next-${i}`;
    expect(options.password).toBe(password);
  }
  expect(secrets).toContain('next-49');
  expect(secrets.length).toBeLessThan(10);
});

test('a reference to a file is read again, one to the environment is not', () => {
  const files = new Map([['/p', 'one\n'], ['/u', 'redis://host'], ['/ca', 'PEM']]);
  const read = (path: string) => {
    const text = files.get(path);
    if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
    return text;
  };
  const of = (redis: object, env = {}) => {
    const result = parseConfig(JSON.stringify({ models: { m: { provider: 'openai', model: 'm' } }, groups: {}, redis }), 'x.yaml');
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    return redisSettings(result.config, env, read).redis!;
  };
  const settings = of({ url: { file: '/u' }, username: { env: 'USER' }, password: { file: '/p' }, tls: { ca: '/ca' } }, { USER: 'me' });
  expect(accessOf(settings)).toEqual({ username: 'me', password: 'one', tls: { ca: 'PEM' } });
  files.set('/p', 'two').set('/ca', 'PEM 2').set('/u', 'redis://other@host');
  expect(accessOf(settings)).toEqual({ username: 'other', password: 'two', tls: { ca: 'PEM 2' } });
  expect(() => of({ host: 'h', password: { file: '/none' } })).toThrow('the file /none does not exist');
  expect(() => of({ host: 'h', tls: { ca: '/none' } })).toThrow();
});

test('Sentinels get a password when they ask for one: first without the user, then with', () => {
  const client = Object.assign(new EventEmitter(), { options: { username: 'me', password: 'secret' } as RedisOptions });
  answerSentinels(client as unknown as Redis);
  const given = () => [client.options.sentinelUsername, client.options.sentinelPassword];
  expect(given()).toEqual([null, null]);
  client.emit('sentinelError', new Error('failed to connect to sentinel a:1 because connect ECONNREFUSED'));
  expect(given()).toEqual([null, null]);
  client.emit('sentinelError', new Error('failed to connect to sentinel a:1 because NOAUTH Authentication required.'));
  expect(given()).toEqual([null, 'secret']);
  client.emit('sentinelError', new Error('failed to connect to sentinel a:1 because WRONGPASS invalid'));
  expect(given()).toEqual(['me', 'secret']);
  client.emit('sentinelError', new Error('failed to connect to sentinel a:1 because WRONGPASS invalid'));
  expect(given()).toEqual([null, 'secret']);
});
