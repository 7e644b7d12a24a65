import { expect, test } from '@jest/globals';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { validate } from '../../../src/commands/validate.ts';

const VALID = 'models:\n  a: { provider: openai, model: x }\ngroups: {}\n';

async function run(args: string[], stdin = ''): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await validate(args, { stdout: (s) => (out += s), stderr: (s) => (err += s), stdin: () => Promise.resolve(stdin) });
  return { code, out, err };
}

function file(content: string | Buffer): string {
  const path = join(mkdtempSync(join(tmpdir(), 'spillway-validate-')), 'spillway.yaml');
  writeFileSync(path, content);
  return path;
}

test('a valid file', async () => {
  const path = file(VALID);
  expect(await run([path])).toEqual({ code: 0, out: `${path}: valid: 1 model, 0 groups\n`, err: '' });
});

test('standard input, with a warning', async () => {
  expect(await run(['-'], `${VALID}alerts: { failuresPerHour: 9 }\n`)).toEqual({ code: 0, out: '-: valid: 1 model, 0 groups\n', err: '-:4:11: warning: alerts have no effect in this version\n' });
});

test('mistakes', async () => {
  const path = file('models: {}\ngroups:\n  g: 5\n');
  expect(await run([path])).toEqual({ code: 1, out: '', err: `${path}:1:9: models is empty: at least one model is needed\n${path}:3:6: expected a mapping, found a number\n` });
});

test('a manifest, with a key of its own', async () => {
  const text = `kind: ConfigMap\ndata:\n  own: |\n${VALID.replace(/^(?=.)/gm, '    ')}`;
  expect(await run(['-', '--key', 'own'], text)).toMatchObject({ code: 0, err: '' });
  expect(await run(['-'], text)).toEqual({ code: 1, out: '', err: '-:3:3: this ConfigMap has no key spillway.yaml; it has own\n' });
});

test('bytes that are no UTF-8, and a file that is too large', async () => {
  expect((await run([file(Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]))])).err).toMatch(/:1:4: not valid UTF-8/);
  expect((await run([file('\uFEFFmodels: {}\n')])).err).toMatch(/:1:1: .*byte order mark/);
  expect((await run([file(Buffer.alloc(3_000_000, 0x61))])).err).toMatch(/:1:1: .*larger than 1 MiB/);
});

test('usage', async () => {
  for (const args of [[], ['a', 'b'], ['--nonsense'], ['']]) {
    const { code, out, err } = await run(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^spillway validate: .+\n\nUsage: /);
  }
  expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Usage: spillway validate FILE'), err: '' });
  expect(await run(['/nowhere.yaml'])).toEqual({ code: 1, out: '', err: '/nowhere.yaml: there is no such file\n' });
  expect(await run([tmpdir()])).toEqual({ code: 1, out: '', err: `${tmpdir()}: this is a directory\n` });
});
