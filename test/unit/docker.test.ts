/** docker-compose.yml without Docker: what it says is checked, and the same topology runs as processes of this machine. */
import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { finished, killAll, spillway, startSidecar } from '../support/processes.ts';
import { describeWithRedis, startRedis, type RedisServer } from '../support/redis.ts';

jest.setTimeout(40_000);

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly user: string;
  readonly command: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly network_mode?: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

const REPO = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(REPO, path), 'utf8');
const { services } = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<'redis' | 'providers' | 'app' | 'sidecar', Service> };
const { redis, providers, app, sidecar } = services;
const ours = [providers, app, sidecar];
const dockerfile = read('Dockerfile');
const config = read('deploy/compose/spillway.yaml');
const APP = join(REPO, 'deploy/compose/app.mjs');

const started: ChildProcess[] = [];
afterEach(async () => {
  await killAll();
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

function mounts({ volumes = [] }: Service): { from: string; to: string; mode: string | undefined }[] {
  return volumes.map((volume) => {
    const [from = '', to = '', mode] = volume.split(':');
    return { from, to, mode };
  });
}

describe('docker-compose.yml', () => {
  test('every container has a read-only root, no capability, no new privilege and a user that is not root', () => {
    expect(Object.keys(services)).toEqual(['redis', 'providers', 'app', 'sidecar']);
    for (const [name, service] of Object.entries(services)) {
      expect({ name, ...service }).toMatchObject({ name, read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], user: expect.stringMatching(/^[1-9]\d+:[1-9]\d+$/) });
    }
  });

  test('ours are built here and run as the user of the image', () => {
    const user = /^USER (\S+)$/m.exec(dockerfile)![1]!;
    for (const service of ours) expect(service).toMatchObject({ build: '.', image: providers.image, user });
    expect(redis.build).toBeUndefined();
  });

  test('the sidecar is in the namespace of the app, which alone publishes, on this machine only', () => {
    expect(sidecar.network_mode).toBe('service:app');
    expect(Object.values(services).flatMap(({ ports = [] }) => ports)).toEqual(['127.0.0.1:4001:4001']);
    expect(app.ports).toHaveLength(1);
  });

  test('what is mounted exists, read-only, where it is looked for', () => {
    for (const { from, mode } of Object.values(services).flatMap(mounts)) expect({ from, exists: existsSync(join(REPO, from)), mode }).toEqual({ from, exists: true, mode: 'ro' });
    expect(mounts(sidecar).map(({ to }) => to)).toEqual([/SPILLWAY_CONFIG=(\S+)/.exec(dockerfile)![1]]);
    expect(app.entrypoint).toEqual(['node', mounts(app)[0]!.to]);
  });

  test('who waits for health waits for a check, and names are those of services', () => {
    for (const [name, { condition }] of Object.entries(sidecar.depends_on!)) {
      const service = services[name as keyof typeof services];
      expect({ name, condition }).toEqual({ name, condition: service.healthcheck ? 'service_healthy' : 'service_started' });
    }
    const hosts = [...`${config}${JSON.stringify(sidecar.environment)}`.matchAll(/\w+:\/\/([\w-]+):\d+/g)].map(([, host]) => host!);
    expect(new Set(hosts)).toEqual(new Set(['providers', 'redis']));
  });

  test('every variable that the configuration names is given, and no other', () => {
    const named = [...config.matchAll(/env: (\w+)/g)].map(([, name]) => name!);
    expect(new Set(named)).toEqual(new Set(Object.keys(sidecar.environment!)));
  });

  test('commands and options are those of the CLI', async () => {
    for (const { command } of [providers, sidecar]) {
      const { code, stdout } = await finished([command[0]!, '--help']);
      expect(code).toBe(0);
      for (const option of command.filter((word) => word.startsWith('--'))) expect(stdout).toContain(option);
    }
  });

  test('the configuration is valid, with nothing in it that this version ignores', async () => {
    expect(await finished(['validate', join(REPO, 'deploy/compose/spillway.yaml')])).toMatchObject({ code: 0, stderr: '' });
  });
});

describeWithRedis('the same topology as processes', () => {
  let server: RedisServer;
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'spillway-compose-'));
  });
  afterEach(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  /** Compose's own check, with the address of here. @returns its exit code */
  function check({ healthcheck }: Service, from: string, to: string): number | null {
    const [kind, program, flag, script] = healthcheck!.test;
    expect([kind, program, flag]).toEqual(['CMD', 'node', '-e']);
    expect(script).toContain(from);
    return spawnSync(process.execPath, ['-e', script!.replace(from, to)]).status;
  }

  test('the app prints who served: the primary, then the backup with its reason; it bears an absent sidecar and a stop', async () => {
    server = await startRedis();
    // Of this machine's free ports; all else as it stands in the file.
    const command = providers.command.map((word) => (word === '0.0.0.0' ? '127.0.0.1' : word === '9000' ? '0' : word));
    const { url } = (await spillway(command).logged('ready')) as { url: string };
    const path = join(directory, 'spillway.yaml');
    writeFileSync(path, config.replaceAll('http://providers:9000', url));
    const one = await startSidecar({ config: path, env: { ...sidecar.environment, REDIS_URL: server.url } });
    expect(check(providers, 'http://127.0.0.1:9000', url)).toBe(0);
    expect(check(sidecar, 'http://127.0.0.1:4001', one.admin)).toBe(0);

    const child = spawn(process.execPath, [APP], { env: { APP_URL: `${one.url}/v1/chat/completions`, APP_EVERY_MS: '20' }, stdio: ['ignore', 'pipe', 'pipe'] });
    started.push(child);
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const printed = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(output)) {
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${output}${errors}`);
        await once(child.stdout, 'data');
      }
    };
    await printed(/^ +12 {2}.*\n/m);
    const lines = output.split('\n');
    for (const line of lines.slice(0, 10)) expect(line).toMatch(/^ +\d+ {2}primary: \d+ tokens$/);
    for (const line of lines.slice(10, 12)) expect(line).toMatch(/^ +1[12] {2}backup, because of budget_requests: \d+ tokens$/);

    one.kill('SIGTERM');
    expect((await one.exited).code).toBe(0);
    expect(check(sidecar, 'http://127.0.0.1:4001', one.admin)).toBe(1);
    await printed(/no answer yet \(ECONNREFUSED\)$/m);
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
    expect(errors).toBe('');
  });
});
