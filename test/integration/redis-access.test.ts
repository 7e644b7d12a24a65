/** Passwords, users and certificates, each over a real Redis: also those that are replaced while the program runs. */
import { expect, test } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';
import { readFileSync } from 'node:fs';
import { setTimeout as later } from 'node:timers/promises';
import { rootCertificates } from 'node:tls';
import { connectRedis, secretsOf, type RedisSettings } from '../../src/budgets/client.ts';
import { createBudgets } from '../../src/budgets/create.ts';
import type { BudgetsEvent } from '../../src/budgets/link.ts';
import { safeMessage } from '../../src/budgets/safe-message.ts';
import { atEnd, kept } from '../support/cleanups.ts';
import { ask, until } from '../support/redis-ask.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { startSentinels } from '../support/redis-sentinel.ts';
import { secretFile, settingsOf, type SecretFile } from '../support/redis-settings.ts';
import { CA_FILE, startTls } from '../support/redis-tls.ts';
import { window } from '../../src/wire/window.ts';
import { describeWithRedis, freePort, startRedis } from '../support/redis.ts';

describeWithRedis('access to Redis', () => {
  const file = (text: string): SecretFile => {
    const made = secretFile(text);
    atEnd(made.remove);
    return made;
  };
  const connected = async (settings: RedisSettings): Promise<{ client: Redis | Cluster; errors: string[]; answers: () => Promise<boolean> }> => {
    const errors: string[] = [];
    const client = await connectRedis(settings);
    const secrets = secretsOf(settings);
    client.on('error', (error: Error) => errors.push(safeMessage(error, secrets)));
    atEnd(() => client.disconnect());
    const answers = async () => client.status === 'ready' && (await client.eval("return redis.call('INCR', KEYS[1])", 1, '{spillway}:x')) !== null;
    return { client, errors, answers };
  };

  test('a password that is replaced in its file is used at the next connection; neither is seen', async () => {
    const server = kept(await startRedis({ args: ['--requirepass', 'first-secret'] }));
    const password = file('first-secret\n');
    const { client, errors, answers } = await connected(settingsOf({ url: server.url, password: { file: password.path } }));
    await until('connected', answers);

    await ask(server.port, ['CONFIG', 'SET', 'requirepass', 'second-secret'], { password: 'first-secret' });
    await ask(server.port, ['CLIENT', 'KILL', 'TYPE', 'normal'], { password: 'second-secret' });
    await until('refused with the old one', () => errors.some((text) => text.includes('WRONGPASS')));
    password.replace('second-secret\n');
    await until('connected again', answers);

    await expect(client.call('no-such-command', 'first-secret', 'second-secret')).rejects.toThrow();
    client.emit('error', new Error('first-secret second-secret'));
    expect(errors.join(' ')).toMatch(/\*\*\* \*\*\*/);
    expect(errors.join(' ')).not.toMatch(/first-secret|second-secret/);
  });

  test('a file that is gone for a while, or holds nothing that can be used, leaves the old password', async () => {
    const server = kept(await startRedis({ args: ['--requirepass', 'secret'] }));
    const password = file('secret');
    const { answers } = await connected(settingsOf({ url: server.url, password: { file: password.path } }));
    await until('connected', answers);
    password.replace('two\nlines');
    await ask(server.port, ['CLIENT', 'KILL', 'TYPE', 'normal'], { password: 'secret' });
    await until('connected again', answers);
    password.remove();
    await ask(server.port, ['CLIENT', 'KILL', 'TYPE', 'normal'], { password: 'secret' });
    await until('connected again', answers);
  });

  test('each node of a cluster takes the replaced password', async () => {
    const cluster = kept(await startCluster({ password: 'first' }));
    const password = file('first');
    const { errors, answers } = await connected(settingsOf({ cluster: { nodes: cluster.addresses.slice(0, 1) }, password: { file: password.path } }));
    await until('connected', answers);
    for (const { port } of cluster.nodes) await ask(port, ['CONFIG', 'SET', 'requirepass', 'second'], { password: 'first' });
    for (const { port } of cluster.nodes) await ask(port, ['CLIENT', 'KILL', 'TYPE', 'normal'], { password: 'second' });
    await until('told why', async () => !(await answers().catch(() => false)) && errors.some((text) => text.includes('WRONGPASS')));
    password.replace('second');
    await until('connected again', answers);
  });

  test('Sentinels with a password, and the password of the master replaced', async () => {
    const group = kept(await startSentinels({ password: 'first', sentinelPassword: 'first' }));
    const password = file('first');
    const { answers } = await connected(settingsOf({ sentinel: { name: group.name, nodes: group.addresses }, password: { file: password.path } }));
    await until('connected', answers);
    for (const { port } of group.sentinels) {
      await ask(port, ['SENTINEL', 'SET', group.name, 'auth-pass', 'second'], { password: 'first' });
      await ask(port, ['ACL', 'SETUSER', 'default', 'resetpass', '>second'], { password: 'first' });
    }
    for (const { port } of group.nodes) await ask(port, ['CONFIG', 'SET', 'requirepass', 'second', 'masterauth', 'second'], { password: 'first' });
    password.replace('second');
    for (const { port } of group.nodes) await ask(port, ['CLIENT', 'KILL', 'TYPE', 'normal'], { password: 'second' });
    await until('connected again', answers);
  });

  test('an ACL user by name, beside the address or in it', async () => {
    const server = kept(await startRedis());
    await ask(server.port, ['ACL', 'SETUSER', 'app', 'on', '>secret', '+eval', '+incr', '+info', '~{spillway}:*']);
    await ask(server.port, ['ACL', 'SETUSER', 'default', 'off']);
    const ways = [
      settingsOf({ host: '127.0.0.1', port: server.port, username: 'app', password: { env: 'PASSWORD' } }, { PASSWORD: 'secret' }),
      settingsOf({ url: server.url, username: 'app', password: { env: 'PASSWORD' } }, { PASSWORD: 'secret' }),
      settingsOf({ url: { env: 'URL' } }, { URL: `redis://app:secret@127.0.0.1:${server.port}` }),
    ];
    for (const settings of ways) {
      const { answers } = await connected(settings);
      await until('connected', answers);
    }
  });

  test('TLS with an authority of its own; without it the server is not trusted', async () => {
    const server = kept(await startTls());
    const url = `rediss://localhost:${server.tlsPort}`;
    const trusting = await connected(settingsOf({ url, tls: { ca: CA_FILE } }));
    await until('connected', trusting.answers);
    const wary = await connected(settingsOf({ url }));
    await until('refused', () => wary.errors.some((text) => /certificate|CERT|issuer/i.test(text)));
    expect(wary.client.status).not.toBe('ready');
    const plain = await connected(settingsOf({ url: `redis://localhost:${server.tlsPort}` }));
    await until('refused', () => plain.errors.length > 0 || plain.client.status === 'reconnecting');
  });

  test('an authority that is replaced in its file is trusted at the next connection', async () => {
    const server = kept(await startTls());
    const ca = file(rootCertificates[0]!);
    const { errors, answers } = await connected(settingsOf({ url: `rediss://127.0.0.1:${server.tlsPort}`, tls: { ca: ca.path } }));
    await until('refused', () => errors.length > 0);
    ca.replace(readFileSync(CA_FILE, 'utf8'));
    await until('connected', answers);
  });

  const watched = async (settings: RedisSettings) => {
    const events: BudgetsEvent[] = [];
    const budgets = await createBudgets({ redis: settings, keyPrefix: 'spillway', window: window(), pod: 'a', onEvent: (event) => events.push(event) });
    atEnd(() => budgets.close());
    return { budgets, events, errors: () => events.flatMap((event) => ('error' in event ? [event.error] : [])) };
  };

  test('why Redis cannot be used is what the state says, also after the connection was closed for it', async () => {
    const locked = kept(await startRedis({ args: ['--requirepass', 'right-secret'] }));
    const secure = kept(await startTls());
    const ways: [redis: object, why: RegExp][] = [
      [{ url: locked.url, password: { env: 'WRONG' } }, /WRONGPASS/],
      [{ url: locked.url }, /NOAUTH/],
      [{ host: 'no-such-host.invalid' }, /ENOTFOUND|EAI_AGAIN/],
      [{ host: '127.0.0.1', port: await freePort() }, /ECONNREFUSED/],
      [{ url: `rediss://localhost:${secure.tlsPort}` }, /certificate/i],
    ];
    for (const [redis, why] of ways) {
      const { budgets, events, errors } = await watched(settingsOf(redis, { WRONG: 'wrong-secret' }));
      await until(`told: ${why}`, () => why.test(budgets.state().lastError ?? ''));
      // Several times more it tries and is closed.
      const seen = new Set<string | null>();
      for (const end = Date.now() + 700; Date.now() < end; ) {
        seen.add(budgets.state().lastError);
        await later(5);
      }
      for (const one of seen) expect(one).toMatch(why);
      expect(errors().some((text) => why.test(text))).toBe(true);
      expect(errors()).toEqual([...new Set(errors())]);
      expect(events[0]!.kind).toBe('degraded');
      expect(JSON.stringify(events)).not.toMatch(/(?:wrong|right)-secret/);
    }
  });

  test('a password that is changed while the program runs: the refusal is told once, and again after the next time', async () => {
    const server = kept(await startRedis({ args: ['--requirepass', 'first-secret'] }));
    const password = file('first-secret');
    const { budgets, events, errors } = await watched(settingsOf({ url: server.url, password: { file: password.path } }));
    await until('connected', () => budgets.state().up);
    let [now, next] = ['first-secret', 'second-secret'];
    for (const times of [1, 2]) {
      await ask(server.port, ['CONFIG', 'SET', 'requirepass', next], { password: now });
      await ask(server.port, ['CLIENT', 'KILL', 'TYPE', 'normal'], { password: next });
      await until('told why', () => /WRONGPASS/.test(budgets.state().lastError ?? ''));
      await later(500);
      expect(errors().filter((text) => text.includes('WRONGPASS'))).toHaveLength(times);
      password.replace(next);
      await until('connected again', () => budgets.state().up);
      expect(budgets.state().lastError).toBe(null);
      [now, next] = [next, 'third-secret'];
    }
    expect(events.at(-1)).toMatchObject({ kind: 'recovered' });
    expect(JSON.stringify(events)).not.toMatch(/(?:first|second|third)-secret/);
  });

  test('a cluster with TLS, by name', async () => {
    const cluster = kept(await startCluster({ tls: true }));
    const nodes = cluster.addresses.map((address) => address.replace('127.0.0.1', 'localhost'));
    const { client, answers } = await connected(settingsOf({ cluster: { nodes }, tls: { ca: CA_FILE } }));
    await until('connected', answers);
    expect((client as Cluster).nodes('master')).toHaveLength(3);
  });
});
