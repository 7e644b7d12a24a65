/** Some hundred hostile inputs against every endpoint: a clear answer or a clean close, the next request works, nothing is kept. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ask } from '../../unit/simulator/client.ts';
import { hi, KEYS, rawConnection, startStack, type Stack } from '../../support/stack.ts';
import { BODIES, HEADS, type Case } from './hostile-cases.ts';

const PER_CASE_MS = 5000;
const AT_ONCE = 8;
const MB = 1024 * 1024;

let stack: Stack;
beforeEach(async () => {
  stack = await startStack({ simulator: { keepBodies: false }, sidecar: { bodyIdleMs: 300, bufferBytes: 32 * MB }, policy: { timeouts: { total: '400ms' } } });
});

/** @returns what is wrong with what came back, if anything is */
async function judge(one: Case): Promise<string | undefined> {
  const raw = rawConnection(stack.port, one.bytes);
  if (one.leaves === true) raw.socket.end();
  const overdue = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => overdue.resolve(undefined), PER_CASE_MS);
  const ended = await Promise.race([raw.closed, overdue.promise]);
  clearTimeout(timer);
  raw.socket.destroy();
  if (ended === undefined) return `hangs after ${JSON.stringify(raw.text().slice(0, 200))}`;
  return wrongIn(ended.text, one);
}

function wrongIn(text: string, { fine, bare }: Case): string | undefined {
  if (text === '') return undefined;
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? 0);
  const shown = `${status}: ${JSON.stringify(body.slice(0, 300))}`;
  if (/\bat .*(\.ts|\.js|node:)|node_modules|simulator_bug|Error:/.test(text)) return `a trace in ${shown}`;
  if (Object.values(KEYS).some((key) => text.includes(key))) return `a key in ${shown}`;
  if (/^set-cookie:/im.test(head)) return `a line of the caller's in the head: ${head}`;
  if (bare === true && (status === 400 || status === 417) && /^(0\r\n\r\n)?$/.test(body)) return undefined;
  if (status >= 200 && status < 300) return fine === true ? undefined : `served: ${shown}`;
  if (status < 400 || status === 500) return `status ${shown}`;
  return isError(body) ? undefined : `not in OpenAI's shape, ${shown}`;
}

function isError(body: string): boolean {
  try {
    const { error } = JSON.parse(body) as { error: Record<string, unknown> };
    return typeof error['message'] === 'string' && error['message'] !== '' && typeof error['type'] === 'string' && 'param' in error && 'code' in error;
  } catch {
    return false;
  }
}

async function wrongNext(): Promise<string | undefined> {
  const { status, end, text } = await ask(stack.url, hi({ max_tokens: 2 }), { timeoutMs: PER_CASE_MS });
  return status === 200 && end === 'whole' ? undefined : `the next request: ${status} ${end} ${text.slice(0, 200)}`;
}

async function failuresOf(cases: readonly Case[]): Promise<string[]> {
  const failures: string[] = [];
  const waiting = cases.values();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const one of waiting) {
      const wrong = (await judge(one)) ?? (await wrongNext());
      if (wrong !== undefined) failures.push(`${one.name}: ${wrong}`);
    }
  }));
  return failures;
}

/** Of all that can still be reached. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
}

describe.each([['bodies', BODIES], ['heads', HEADS]])('%s', (_, cases) => {
  test('are several hundred, each of its own name', () => {
    expect(cases.length).toBeGreaterThan(250);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  test('a clear answer or a clean close each, nothing held, nothing running, memory as before', async () => {
    const calls = cases.filter((_one, i) => i % 10 === 0);
    // What is loaded and compiled on the way is no leak.
    await failuresOf(calls);
    const before = heapUsed();
    expect(await failuresOf(cases)).toEqual([]);
    await stack.atRest();
    expect(stack.log.filter((line) => line.includes('"level":"error"') || line.includes('"level":"fatal"'))).toEqual([]);
    for (const key of Object.values(KEYS)) expect(stack.log.join('')).not.toContain(key);
    stack.sim.reset();
    stack.log.length = 0;
    expect(heapUsed() - before).toBeLessThan(32 * MB);
  }, 60_000);
});
