/** A real redis-server for Jest's suites. */
import { describe } from '@jest/globals';
import { spawnSync } from 'node:child_process';

export * from './redis-server.ts';

const missing = (process.env['SPILLWAY_TEST_MISSING'] ?? '').split(',');

/** Skipped, by name, on a machine without redis-server. */
export const describeWithRedis = missing.includes('redis-server') ? describe.skip : describe;

const hasValkey = spawnSync('valkey-server', ['--version'], { stdio: 'ignore' }).status === 0;

/** Skipped, by name, on a machine without valkey-server; not every system has a package of it. */
export const describeWithValkey = hasValkey ? describe : describe.skip;
