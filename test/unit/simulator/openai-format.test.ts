import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { goDuration } from '../../../src/simulator/openai/duration.ts';
import { KNOWN_FIELDS } from '../../../src/simulator/openai/fields.ts';
import { checkChat, countPrompt } from '../../../src/simulator/openai/request.ts';
import { sample } from '../../../src/simulator/openai/sample.ts';

const valid = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } };
const errorOf = (body: object): unknown => {
  const refused = checkChat(body as Record<string, unknown>, false);
  if (refused === undefined) return undefined;
  expect(refused.status).toBe(400);
  return (JSON.parse(refused.body) as { error: unknown }).error;
};

test.each([[0, '0s'], [0.2, '0s'], [1.2, '1ms'], [120, '120ms'], [1574, '1.574s'], [20_000, '20s'], [252_172, '4m12.172s'], [360_000, '6m0s'], [83_909_144, '23h18m29.144s']])('%d ms is %s', (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});

test("the known fields are those of the official client's types", () => {
  const types = readFileSync(new URL('../../../node_modules/openai/resources/chat/completions/completions.d.ts', import.meta.url), 'utf8');
  const [, body = ''] = /interface ChatCompletionCreateParamsBase \{\n(.*?)\n\}/s.exec(types) ?? [];
  const fields = [...body.matchAll(/^ {4}([a-z_]+)\??:/gm)].map(([, name]) => name);
  expect(fields.length).toBeGreaterThan(30);
  expect([...KNOWN_FIELDS].sort()).toEqual(fields.sort());
});

describe('requests that the real one refuses', () => {
  test.each<[string, object, object]>([
    ['no messages', { messages: undefined }, { code: 'missing_required_parameter', param: 'messages' }],
    ['empty messages', { messages: [] }, { code: 'empty_array', param: 'messages', message: "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead." }],
    ['messages of another type', { messages: 'hi' }, { code: 'invalid_type', param: 'messages' }],
    ['a role nobody has', { messages: [{ role: 'robot', content: 'hi' }] }, { code: 'invalid_value', param: 'messages[0].role' }],
    ['no content', { messages: [{ role: 'user', content: null }] }, { param: 'messages.[0].content' }],
    ['a part of no type', { messages: [{ role: 'user', content: [{ text: 'a' }] }] }, { param: 'messages[0].content[0].type' }],
    ['an image without url', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, { param: 'messages[0].content[0].image_url.url' }],
    ['unknown', { foo: 1 }, { message: 'Unrecognized request argument supplied: foo', type: 'invalid_request_error' }],
    ['more unknown', { foo: 1, bar: 2 }, { message: 'Unrecognized request arguments supplied: bar, foo' }],
    ['stream_options alone', { stream_options: { include_usage: true } }, { param: 'stream_options' }],
    ['an unknown stream option', { stream: true, stream_options: { x: true } }, { code: 'unknown_parameter', param: 'stream_options.x' }],
    ['max_tokens 0', { max_tokens: 0 }, { code: 'integer_below_min_value', param: 'max_tokens' }],
    ['max_tokens "5"', { max_tokens: '5' }, { code: 'invalid_type', message: "Invalid type for 'max_tokens': expected an integer, but got a string instead." }],
    ['max_completion_tokens 1.5', { max_completion_tokens: 1.5 }, { code: 'invalid_type' }],
    ['both caps', { max_completion_tokens: 1, max_tokens: 1 }, { code: 'invalid_parameter_combination' }],
    ['temperature 3', { temperature: 3 }, { code: 'decimal_above_max_value', param: 'temperature' }],
    ['temperature -0.5', { temperature: -0.5 }, { code: 'decimal_below_min_value' }],
    ['n 0', { n: 0 }, { code: 'integer_below_min_value' }],
    ['n 129', { n: 129 }, { code: 'integer_above_max_value', param: 'n' }],
    ['five stops', { stop: ['a', 'b', 'c', 'd', 'e'] }, { code: 'array_above_max_length' }],
    ['stream "yes"', { stream: 'yes' }, { code: 'invalid_type', param: 'stream' }],
    ['no tools', { tools: [] }, { code: 'empty_array', param: 'tools' }],
    ['a tool without function', { tools: [{ type: 'function' }] }, { param: 'tools[0].function' }],
    ['a tool without type', { tools: [{ function: { name: 'f' } }] }, { param: 'tools[0].type' }],
    ['a tool with a bad name', { tools: [{ type: 'function', function: { name: 'a b' } }] }, { param: 'tools[0].function.name' }],
    ['a choice without tools', { tool_choice: 'auto' }, { param: 'tool_choice' }],
    ['a choice of an unknown tool', { tools: [tool], tool_choice: { type: 'function', function: { name: 'g' } } }, { param: 'tool_choice' }],
    ['a tool message first', { messages: [{ role: 'tool', content: 'x', tool_call_id: 'c' }] }, { param: 'messages.[0].role', message: expect.stringContaining("preceeding message with 'tool_calls'") }],
    ['a call without answer', { messages: [{ role: 'assistant', content: null, tool_calls: [{ id: 'c1' }] }, { role: 'user', content: 'x' }] }, { message: expect.stringContaining('c1') }],
  ])('%s', (_, change, error) => {
    expect(errorOf({ ...valid, ...change })).toMatchObject(error);
  });

  test.each<[string, object]>([
    ['plain', {}],
    ['nulls', { temperature: null, max_tokens: null, stop: null, tools: null, stream_options: null }],
    ['parts', { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'image_url', image_url: { url: 'data:' } }] }] }],
    ['answered tools', { tools: [tool], messages: [{ role: 'user', content: 'x' }, { role: 'assistant', tool_calls: [{ id: 'a' }, { id: 'b' }] }, { role: 'tool', tool_call_id: 'b', content: '1' }, { role: 'tool', tool_call_id: 'a', content: '2' }] }],
  ])('but not: %s', (_, change) => {
    expect(errorOf({ ...valid, ...change })).toBeUndefined();
  });
});

test('prompt tokens: a quarter of the bytes, 765 an image', () => {
  expect(countPrompt([{ role: 'user', content: 'abcd' }, { role: 'user', content: '日' }])).toBe(2);
  expect(countPrompt([{ role: 'user', content: [{ type: 'text', text: 'abcde' }, { type: 'image_url', image_url: { url: 'https://x' } }] }])).toBe(767);
});

test('a sample fits its schema', () => {
  const schema = { type: 'object', properties: { city: { type: 'string' }, unit: { enum: ['c', 'f'] }, days: { type: 'array', items: { type: 'integer', minimum: 3 } }, deep: { anyOf: [{ type: 'boolean' }] } } };
  expect(sample(schema)).toEqual({ city: 'sample text', unit: 'c', days: [3], deep: true });
});
