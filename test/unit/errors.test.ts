import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { errorTable, SpillwayError } from '../../src/errors.ts';
import { REASONS } from '../../src/wire/reasons.ts';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

test('docs/errors.md has every error and every reason', () => {
  for (const { code, status } of errorTable()) expect(page).toContain(`| \`${code}\` | ${status} |`);
  for (const reason of REASONS) expect(page).toContain(`| \`${reason}\` |`);
});

test('a message says what was wrong with what, and never leaves a place empty', () => {
  expect(new SpillwayError('model_not_found', ['x', 'a, b']).message).toBe('There is no model or group "x". Known are: a, b.');
  expect(new SpillwayError('body_too_large', [100])).toMatchObject({ status: 413, code: 'body_too_large' });
});
