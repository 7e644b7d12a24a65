import { expect, test } from '@jest/globals';
test('jest runs typed ES modules', () => { const n: number = 1; expect(n).toBe(1); });
