/**
 * `npm test`: makes sure that redis-server is at hand (on PATH, else by apt as root), then runs Jest.
 * Without Redis its suites are skipped by name; with CI=true that is a failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const run = (command: string, args: string[], options = {}) =>
  spawnSync(command, args, { stdio: 'inherit', ...options });

function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
}

function installRedis(): void {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !existsSync('/usr/bin/apt-get')) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { stdio: 'ignore', env } as const;
  run('apt-get', ['update'], quiet);
  run('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], quiet);
}

if (!hasRedis()) installRedis();
const missing = hasRedis() ? [] : ['redis-server'];
if (missing.length > 0) {
  process.stderr.write(`not found: ${missing.join(', ')}; the suites that need it are skipped\n`);
  if (process.env['CI'] === 'true') process.exit(1);
}

const { REDIS_URL: _ignored, ...env } = process.env;
const jest = new URL('../../node_modules/jest/bin/jest.js', import.meta.url).pathname;
const result = run(
  process.execPath,
  ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest, ...process.argv.slice(2)],
  { env: { ...env, SPILLWAY_TEST_MISSING: missing.join(',') } },
);
process.exit(result.status ?? 1);
