/** The check of a real Redis: the permissions it names, the settings it warns of, and that it changes nothing. */
import { beforeEach, expect, test } from '@jest/globals';
import { connectRedis, type RedisSettings } from '../../src/budgets/client.ts';
import { checkRedis, watchRedis, type Finding } from '../../src/budgets/redis-check.ts';
import { aclRules, KEY_KINDS } from '../../src/budgets/redis-rules.ts';
import { atEnd } from '../support/cleanups.ts';
import { ask, until } from '../support/redis-ask.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { everyOperation } from '../support/redis-operations.ts';
import { describeWithRedis, describeWithValkey, startRedis, type RedisServer } from '../support/redis.ts';

async function check(settings: RedisSettings): Promise<Finding[]> {
  const client = await connectRedis(settings);
  try {
    await until('connected', () => client.status === 'ready');
    return await checkRedis(client, 'spillway');
  } finally {
    client.disconnect();
  }
}

async function scriptsRun(settings: RedisSettings): Promise<void> {
  const client = await connectRedis(settings);
  atEnd(() => client.disconnect());
  await until('connected', () => client.status === 'ready');
  await everyOperation(client, 'spillway');
}

describeWithRedis('the check of Redis', () => {
  let server: RedisServer;
  const set = (...command: (string | number)[]) => ask(server.port, ['CONFIG', 'SET', ...command]);
  const asUser = async (rules: readonly string[]): Promise<RedisSettings> => {
    await ask(server.port, ['ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', ...rules]);
    return { host: '127.0.0.1', port: server.port, username: 'app', password: 'secret' };
  };
  beforeEach(async () => {
    server = await startRedis();
    atEnd(() => server.stop());
  });

  test('nothing is wrong and nothing is changed', async () => {
    expect(await check({ url: server.url })).toEqual([]);
    expect(await ask(server.port, ['DBSIZE'])).toBe(0);
  });

  test('a user with the documented rules is enough; each rule that is missing is named', async () => {
    const rules = aclRules('spillway');
    const redis = await asUser(rules);
    expect(await check(redis)).toEqual([]);
    await scriptsRun(redis);

    // INFO is a help and no need.
    for (const rule of rules.filter((one) => one.startsWith('+') && one !== '+info')) {
      const found = await check(await asUser(rules.filter((other) => other !== rule)));
      expect(found).toMatchObject([{ code: 'missing-command', message: `the Redis user may not run ${rule.slice(1)}`, remedy: expect.stringContaining(rule) }]);
    }
  });

  test('keys that the user may not use are named', async () => {
    const commands = aclRules('spillway').filter((rule) => rule.startsWith('+'));
    expect(await check(await asUser([...commands, '~{other}:*']))).toMatchObject([{ code: 'missing-key', remedy: "add ~{spillway}:* to the user's ACL rules" }]);
    const kinds = KEY_KINDS.filter((kind) => kind !== 'pods').map((kind) => `~{spillway}:${kind}*`);
    expect(await check(await asUser([...commands, ...kinds]))).toMatchObject([{ code: 'missing-key', message: 'the Redis user may not read and write {spillway}:pods' }]);
    expect(await check(await asUser([...commands, '%R~{spillway}:*']))).toMatchObject([{ code: 'missing-key' }]);
  });

  test('eviction, memory, and writes that are refused', async () => {
    await set('maxmemory-policy', 'allkeys-lru');
    expect(await check({ url: server.url })).toEqual([]);
    await set('maxmemory', '1gb');
    expect(await check({ url: server.url })).toMatchObject([{ code: 'eviction', message: expect.stringContaining('allkeys-lru') }]);
    await set('maxmemory-policy', 'noeviction');
    expect(await check({ url: server.url })).toEqual([]);
    await set('maxmemory', '1');
    expect((await check({ url: server.url })).map(({ code }) => code)).toEqual(['writes-refused', 'memory']);
    await set('maxmemory', '0');
    await set('min-replicas-to-write', '1');
    expect(await check({ url: server.url })).toMatchObject([{ code: 'writes-refused', message: expect.stringContaining('NOREPLICAS') }]);
    await set('min-replicas-to-write', '0');
    await ask(server.port, ['REPLICAOF', '127.0.0.1', '1']);
    expect(await check({ url: server.url })).toMatchObject([{ code: 'read-only' }]);
    expect(await check(await asUser(aclRules('spillway').filter((rule) => rule !== '+info')))).toMatchObject([{ code: 'read-only' }]);
  });

  test('each new connection is checked, at most once a minute, and news are told once', async () => {
    await set('maxmemory', '1gb', 'maxmemory-policy', 'allkeys-lru');
    const client = await connectRedis({ url: server.url });
    atEnd(() => client.disconnect());
    const told: string[][] = [];
    const due: { ms: number; run: () => void }[] = [];
    let now = 0;
    const stop = watchRedis({
      client,
      keyPrefix: 'spillway',
      onFindings: (found) => told.push(found.map(({ code }) => code)),
      clock: () => now,
      timers: { after: (ms, run) => (due.push({ ms, run }), () => undefined), afterReading: setImmediate },
    });
    const again = async () => {
      const connected = new Promise((resolve) => client.once('ready', resolve));
      await ask(server.port, ['CLIENT', 'KILL', 'TYPE', 'normal']).catch(() => undefined);
      await connected;
    };
    await until('a check is due', () => due.length === 1);
    expect(due[0]!.ms).toBe(1_000);
    due.shift()!.run();
    await until('told', () => told.length === 1);

    now += 10_000;
    await again();
    await again();
    expect(due.map(({ ms }) => ms)).toEqual([50_000]);
    now += 50_000;
    due.shift()!.run();
    await set('maxmemory', '0');
    now += 60_000;
    await again();
    due.shift()!.run();
    await until('told that all is well', () => told.length === 2);
    expect(told).toEqual([['eviction'], []]);
    stop();
    await again();
    expect(due).toEqual([]);
  });

  test('a cluster: its user needs more, and follows a moved slot with it', async () => {
    const cluster = await startCluster();
    atEnd(() => cluster.stop());
    const rules = async (list: readonly string[]) => {
      for (const { port } of cluster.nodes) await ask(port, ['ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', ...list]);
    };
    const redis = { cluster: { nodes: cluster.addresses }, username: 'app', password: 'secret' };
    const all = aclRules('spillway', { cluster: true });
    await rules(all.filter((rule) => rule !== '+asking'));
    expect(await check(redis)).toMatchObject([{ code: 'missing-command', message: 'the Redis user may not run asking' }]);
    await rules(all);
    expect(await check(redis)).toEqual([]);

    const client = await connectRedis(redis);
    atEnd(() => client.disconnect());
    await until('connected', () => client.status === 'ready');
    const run = () => client.eval("return redis.call('HSET', KEYS[1], 'a', ARGV[1])", 1, '{spillway}:rsv', '1');
    await everyOperation(client, 'spillway');
    await run();
    await cluster.moveSlot(await cluster.slotOf('{spillway}'), async () => {
      expect(await run()).toBe(0);
    });
    await until('the new owner answers', async () => (await run()) === 0);
    // Nodes that have not heard of the move yet may still send the client to the old owner.
    await until('a check without findings', async () => (await checkRedis(client, 'spillway')).length === 0);
  });
});

describeWithValkey('valkey-server', () => {
  test('budgets work in it, and the check finds nothing', async () => {
    const server = await startRedis({ program: 'valkey-server' });
    atEnd(() => server.stop());
    await ask(server.port, ['ACL', 'SETUSER', 'app', 'on', '>secret', ...aclRules('spillway')]);
    const redis = { host: '127.0.0.1', port: server.port, username: 'app', password: 'secret' };
    expect(await check(redis)).toEqual([]);
    await scriptsRun(redis);
    await ask(server.port, ['ACL', 'SETUSER', 'app', '-hset']);
    expect(await check(redis)).toMatchObject([{ code: 'missing-command' }]);
  });
});
