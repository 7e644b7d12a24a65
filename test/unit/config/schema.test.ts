import { expect, test } from '@jest/globals';
import { toJSONSchema } from 'zod/mini';
import { limitsOf, policyFor } from '../../../src/config/policy.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { schema } from '../../../src/config/schema.ts';

interface Json {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Json>>;
  readonly additionalProperties?: Json | false;
  readonly items?: Json;
  readonly anyOf?: readonly Json[];
}

const json = toJSONSchema(schema, { io: 'input' }) as Json;

function at(...path: string[]): Json {
  return path.reduce<Json>((node, step) => {
    const next = step === '*' ? node.additionalProperties : node.properties?.[step];
    if (!next) throw new Error(path.join('.'));
    return next;
  }, json);
}

test('the JSON schema shows descriptions, and defaults as users write them', () => {
  expect(at('policy', 'retry', 'backoff')).toMatchObject({ description: expect.stringContaining('first retry'), default: '250ms' });
  expect(at('policy', 'maxAttempts')).toMatchObject({ type: 'integer', default: 6 });
  expect(at('groups', '*', 'policy', 'retry', 'backoff').default).toBeUndefined();
  expect(at('groups', '*', 'balance')).toMatchObject({ default: 'weighted', enum: expect.arrayContaining(['least-busy']) });
  expect(at('models', '*', 'provider').description).toContain('openai');
  expect(at('models', '*')).toMatchObject({ additionalProperties: false, required: ['provider', 'model'] });
  expect(json).toMatchObject({ additionalProperties: false, required: ['models', 'groups'] });
});

test('every key has a description', () => {
  const without: string[] = [];
  const visit = (node: Json, path: string): void => {
    for (const [key, inner] of Object.entries(node.properties ?? {})) {
      if (!inner.description) without.push(`${path}.${key}`);
      visit(inner, `${path}.${key}`);
    }
    if (node.additionalProperties) visit(node.additionalProperties, `${path}.*`);
    if (node.items) visit(node.items, `${path}[]`);
    for (const one of node.anyOf ?? []) visit(one, path);
  };
  visit(json, '');
  expect(without).toEqual([]);
  expect(at('models', '*', 'model').description).toBe("The model's name at the provider.");
});

test('a group’s policy overrides key by key', () => {
  const text = `models:
  a: { provider: openai, model: x, limits: { requestsPerMinute: 5 } }
groups:
  plain: { models: [a] }
  own:
    models: [a]
    policy: { retry: { attempts: 3 }, timeouts: { total: 1m }, deadline: 2m, hedge: null }
policy: { retry: { backoff: 1s }, deadline: 5m, hedge: { after: 1s } }
`;
  const result = parseConfig(text, 'f');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const { config } = result;
  expect(policyFor(config, 'plain')).toEqual(config.policy);
  expect(policyFor(config, 'constructor')).toEqual(config.policy);
  const own = policyFor(config, 'own');
  expect(own.retry).toEqual({ ...config.policy.retry, attempts: 3, backoff: 1000 });
  expect(own.timeouts).toEqual({ ...config.policy.timeouts, total: 60_000 });
  expect(own).toMatchObject({ deadline: 120_000, hedge: null, maxAttempts: 6 });
  expect(limitsOf(config.models['a']!)).toEqual({ requestsPerMinute: 5 });
});
