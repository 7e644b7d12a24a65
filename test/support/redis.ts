/** A real redis-server for Jest's suites. */
import { describe } from '@jest/globals';

export * from './redis-server.ts';

const missing = (process.env['SPILLWAY_TEST_MISSING'] ?? '').split(',');

/** Skipped, by name, on a machine without redis-server. */
export const describeWithRedis = missing.includes('redis-server') ? describe.skip : describe;
