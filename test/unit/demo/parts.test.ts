import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../../../src/commands/command.ts';
import { Client } from '../../../src/commands/demo/client.ts';
import { parseOptions } from '../../../src/commands/demo/options.ts';
import { outageOf } from '../../../src/commands/demo/outage.ts';
import { GROUPS, PRIMARIES, sceneConfig } from '../../../src/commands/demo/scene.ts';
import { beatMs, visitsAt } from '../../../src/commands/demo/traffic.ts';
import { parseConfig } from '../../../src/config/load.ts';

describe('the scene', () => {
  test.each([undefined, 'spillway-demo-1'])('is a valid configuration that asks for nothing unbuilt (prefix %s)', (prefix) => {
    const parsed = parseConfig(sceneConfig('http://127.0.0.1:1', prefix), 'demo');
    expect(parsed).toMatchObject({ ok: true, inactive: [] });
    if (parsed.ok) expect(parsed.config.redis?.keyPrefix).toBe(prefix);
  });

  test('has the limits of the reference configuration', () => {
    expect(PRIMARIES).toEqual(['dev-claude', 'prod-claude'].map((name) => ({ name, requestsPerMinute: 10, tokensPerMinute: 10_000 })));
  });
});

describe('the traffic', () => {
  const visits = Array.from({ length: 18 }, (_, beat) => visitsAt(beat)).flat();

  test('asks both groups, in streams and not, in bursts', () => {
    const kinds = new Set(visits.map(({ group, stream }) => `${group} ${stream}`));
    expect(kinds.size).toBe(2 * GROUPS.length);
    expect(visits).toHaveLength(18 + 4);
  });

  test('a short run beats faster, a long one no slower than the usual', () => {
    expect([1000, 75_000, 600_000].map(beatMs)).toEqual([15, 650, 650]);
  });

  test('the outage is over before the budget is', () => {
    expect(outageOf(75_000)).toEqual({ fromMs: 4000, toMs: 8000 });
    expect(outageOf(3000).toMs).toBeLessThan(3000 / 5);
  });
});

describe('the options', () => {
  test('by default the ports of the sidecar', () => {
    expect(parseOptions([])).toEqual({
      serveOnly: false,
      durationMs: 75_000,
      listen: [{ host: '127.0.0.1', port: 4000 }, { host: '::1', port: 4000, optional: true }],
      admin: [{ host: '127.0.0.1', port: 4001 }],
    });
    expect(parseOptions(['--help'])).toBeUndefined();
    expect(parseOptions(['--listen', '[::1]:5, 127.0.0.1:5'])?.listen).toEqual([{ host: '::1', port: 5 }, { host: '127.0.0.1', port: 5 }]);
  });

  test.each([[['--duration', '0s']], [['--duration', 'soon']], [['--listen', '4000']], [['--admin', 'x:99999']], [['--serve-only', '--duration', '3s']], [['more']]])('%j is wrong usage', (args) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
  });
});

describe('the app', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });
  async function urlOf(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const visit = (stream: boolean) => ({ group: 'g', stream, prompt: 'hi' });

  async function seen(listener: RequestListener, stream: boolean) {
    const failures: string[] = [];
    const client = new Client({ urls: [await urlOf(listener)], onFailure: (text) => failures.push(text) });
    client.send(visit(stream));
    await client.finish();
    return { client, failures };
  }

  test('counts who served and why, from the headers', async () => {
    const headers = { 'x-spillway-fallback': 'true', 'x-spillway-reason': 'overloaded', 'x-spillway-overhead-ms': '0.25' };
    const { client, failures } = await seen((_req, res) => res.writeHead(200, headers).end('{"choices":[]}'), false);
    expect(client).toMatchObject({ sent: 1, answered: 1, failed: 0, overheads: [0.25] });
    expect(client.groups.get('g')).toEqual({ primary: 0, fallback: 1, reasons: new Map([['overloaded', 1]]) });
    expect(failures).toEqual([]);
  });

  test.each([
    ['another status', false, '{"choices":[]}', 502],
    ['a stream without its end', true, 'data: {}\n\n', 200],
    ['a stream with an error', true, 'data: {"error":{}}\n\ndata: [DONE]\n\n', 200],
  ] as const)('%s is an error', async (_name, stream, body, status) => {
    const { client, failures } = await seen((_req, res) => res.writeHead(status).end(body), stream);
    expect(client).toMatchObject({ sent: 1, answered: 0, failed: 1 });
    expect(failures).toHaveLength(1);
  });

  test('a broken connection is an error', async () => {
    const { client } = await seen((req) => req.socket.destroy(), false);
    expect(client.failed).toBe(1);
  });

  test('the requests of a group go to the sidecars in turn', async () => {
    const hits = [0, 0];
    const urls = await Promise.all(hits.map((_, nth) => urlOf((_req, res) => {
      hits[nth]!++;
      res.end('{"choices":[]}');
    })));
    const client = new Client({ urls, onFailure: () => undefined });
    for (let i = 0; i < 8; i++) client.send({ group: i % 2 === 0 ? 'a' : 'b', stream: false, prompt: '' });
    await client.finish();
    expect(hits).toEqual([4, 4]);
  });
});
