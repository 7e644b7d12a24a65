/** What is explained is what happens: the same configuration, explained and then gone through with a real sidecar. */
import { expect, test } from '@jest/globals';
import { explain } from '../../src/commands/explain.ts';
import type { Road } from '../../src/commands/explain/road.ts';
import { startStack, type Stack, type StackOptions } from '../support/stack.ts';

const TEXT = 'Tell me of the spillway, please. – Ja, „natürlich“! \n';

/** The stack's own models, as a file; no key of theirs is set here. */
async function explained({ primary, backup }: StackOptions): Promise<Road> {
  const model = (more: object = {}): object => ({ provider: 'openai', model: 'x', apiKey: { env: 'NOT_SET_ANYWHERE' }, ...more });
  const config = { models: { primary: model(primary), backup: model(backup) }, groups: { chat: { models: ['primary'], fallback: ['backup'] } } };
  let out = '';
  const code = await explain(['-', '--model', 'chat', '--text', TEXT, '--json'], {
    stdout: (text) => void (out += text),
    stderr: (text) => expect(text).toBe(''),
    stdin: () => Promise.resolve(JSON.stringify(config)),
  });
  expect(code).toBe(0);
  return JSON.parse(out) as Road;
}

const post = (stack: Stack): Promise<Response> =>
  fetch(`${stack.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: TEXT }] }),
  });

async function estimate(): Promise<number> {
  return (await explained({})).prompt.tokens;
}

test('a limit that just holds the request: the primary serves it', async () => {
  const options = { primary: { limits: { inputTokensPerMinute: await estimate() } } };
  expect((await explained(options)).order).toEqual(['primary', 'backup']);
  const answer = await post(await startStack(options));
  expect(Object.fromEntries(answer.headers)).toMatchObject({ 'x-spillway-model': 'primary', 'x-spillway-fallback': 'false' });
  await answer.text();
});

test('a limit of one token less: skipped, and the fallback serves it', async () => {
  const options = { primary: { limits: { inputTokensPerMinute: (await estimate()) - 1 } } };
  const road = await explained(options);
  expect(road.order).toEqual(['backup']);
  const answer = await post(await startStack(options));
  expect(Object.fromEntries(answer.headers)).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-reason': road.chain[0]!.skipped, 'x-spillway-attempts': '1' });
  await answer.text();
});

test('nothing that could ever serve: the status and the reasons that were foretold', async () => {
  const options = { primary: { limits: { tokensPerMinute: 20 } }, backup: { limits: { inputTokensPerMinute: 5 } } };
  const road = await explained(options);
  const answer = await post(await startStack(options));
  expect(answer.status).toBe(road.refused);
  const { error } = (await answer.json()) as { error: { spillway: { tried: unknown } } };
  expect(error.spillway.tried).toEqual(road.chain.map(({ model, skipped }) => ({ model, reason: skipped })));
});
