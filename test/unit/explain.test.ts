/** `spillway explain`: the road of a request, told without going it. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../src/commands/command.ts';
import { explain } from '../../src/commands/explain.ts';
import type { Road } from '../../src/commands/explain/road.ts';
import { validate } from '../../src/commands/validate.ts';
import { planFor } from './decide/plan-oracle.ts';

const fixtures = join(import.meta.dirname, '../fixtures/config');

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: string[], stdin = '', command: typeof validate = explain): Promise<Said> {
  let out = '';
  let err = '';
  const code = await command(args, { stdout: (s) => void (out += s), stderr: (s) => void (err += s), stdin: () => Promise.resolve(stdin) });
  return { code, out, err };
}

/** YAML is a superset of JSON. */
async function road(config: object, model: string, ...more: string[]): Promise<Road> {
  const { code, out, err } = await run(['-', '--model', model, '--json', ...more], JSON.stringify(config));
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as Road;
}

const openai = (limits?: object, more: object = {}): object => ({ provider: 'openai', model: 'x', apiKey: { env: 'NOT_SET_ANYWHERE' }, ...(limits && { limits }), ...more });

describe('the chain', () => {
  const config = {
    models: { a: openai(), b: openai(), c: openai(), d: openai(), chat: openai() },
    groups: {
      chat: { models: ['a', 'b'], fallback: ['cheap', 'chat', 'd'] },
      cheap: { models: ['c'], fallback: ['last', 'a'] },
      last: { models: ['d'] },
    },
  };

  test('is in order, each model with the group that brings it', async () => {
    const { chain, order, means, alsoModel } = await road(config, 'chat');
    expect(chain.map(({ model, role, of, through }) => [model, role, of, through])).toEqual([
      ['a', 'own', 'chat', undefined],
      ['b', 'own', 'chat', undefined],
      ['c', 'fallback', 'chat', 'cheap'],
      ['d', 'fallback', 'cheap', 'last'],
      ['chat', 'fallback', 'chat', undefined],
    ]);
    expect(order).toEqual(['a', 'b', 'c', 'd', 'chat']);
    expect({ means, alsoModel }).toEqual({ means: 'group', alsoModel: true });
  });

  test('says how models of one group share the load, on the fallback as well', async () => {
    const price = { price: { input: 1, output: 5 } };
    const shared = (balance?: string): object => ({
      models: { a: openai(undefined, price), b: openai(), c: openai(), d: openai() },
      groups: { chat: { models: [{ model: 'a', weight: 3 }, { model: 'b', weight: 1 }], ...(balance !== undefined && { balance }), fallback: ['rest'] }, rest: { models: ['c', 'd', 'a'], balance: 'round-robin' } },
    });
    const { sharing, order } = await road(shared(), 'chat');
    expect(order).toEqual(['a', 'b', 'c', 'd']);
    expect(sharing).toEqual([
      { group: 'chat', balance: 'weighted', models: [{ model: 'a', weight: 3, cost: 2 }, { model: 'b', weight: 1, cost: null }] },
      { group: 'rest', balance: 'round-robin', models: [{ model: 'c', weight: 1, cost: null }, { model: 'd', weight: 1, cost: null }] },
    ]);
    const { out } = await run(['-', '--model', 'chat'], JSON.stringify(shared()));
    expect(out).toContain('Tried in this order: a, b, c, d.\nchat shares the load by weight: a 75 %, b 25 %. Unwell models come last.\nrest shares the load in turns: c, d. Unwell models come last.\nThe next one');
    expect(out).toContain('1. a – shares the load of chat\n');
    for (const [balance, words] of [
      ['least-busy', 'against its weight: a (weight 3), b (weight 1).'],
      ['lowest-latency', 'chat tries first the model that was fastest'],
      ['lowest-cost', 'a ($2 a million), b (no price, so last).'],
      ['most-headroom', 'the most left of its budget'],
    ] as const) {
      expect((await run(['-', '--model', 'chat'], JSON.stringify(shared(balance)))).out).toContain(words);
    }
  });

  test('of a model is the model', async () => {
    const { chain, means, alsoModel } = await road(config, 'd');
    expect(chain.map(({ model }) => model)).toEqual(['d']);
    expect({ means, alsoModel }).toEqual({ means: 'model', alsoModel: false });
    expect((await run(['-', '--model', 'd'], JSON.stringify(config))).out).toContain('1. d – named directly');
  });

  test('is the plan’s, and every model is where its step says, whatever the groups', async () => {
    const names = ['a', 'b', 'c', 'd'];
    // A group falls back to models and to later groups only, so there is no circle.
    const groups = fc.array(fc.record({ models: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }), fallback: fc.array(fc.constantFrom(...names, 'g1', 'g2', 'g3')) }), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(groups, async (made) => {
        const groups = Object.fromEntries(made.map(({ models, fallback }, i) => [`g${i}`, { models, fallback: fallback.filter((to) => !to.startsWith('g') || to > `g${i}`) }]));
        const models = Object.fromEntries(names.map((name) => [name, openai()]));
        const { chain } = await road({ models, groups }, 'g0');
        const plan = planFor({ models, groups: Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, { ...group, models: group.models.map((model) => ({ model })) }])) }, 'g0')!;
        expect(chain.map(({ model }) => model)).toEqual(plan.chain);
        for (const { model, role, of, through } of chain) {
          if (role !== 'fallback') expect(groups['g0']!.models).toContain(model);
          else {
            expect(groups[of]!.fallback).toContain(through ?? model);
            if (through !== undefined) expect(groups[through]!.models).toContain(model);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('budgets', () => {
  const config = {
    models: {
      small: openai({ requestsPerMinute: 10, tokensPerMinute: 2000 }),
      inputs: openai({ inputTokensPerMinute: 1500, outputTokensPerMinute: 500, concurrency: 3 }),
      large: openai({ tokensPerMinute: 100_000 }, { budget: 'pool' }),
      twin: openai({ tokensPerMinute: 100_000 }, { budget: 'pool' }),
      claude: { provider: 'bedrock', model: 'x', region: 'us-east-1' },
    },
    groups: { g: { models: ['small'], fallback: ['inputs', 'large', 'claude'] }, tight: { models: ['small'], fallback: ['inputs'] }, far: { models: ['claude'] } },
  };

  test('what is reserved: the prompt as given, and for the answer 1,000 but at most a tenth of the limit', async () => {
    const { chain, prompt, budgets } = await road(config, 'g', '--prompt-tokens', '1500');
    expect(prompt).toEqual({ tokens: 1500, from: 'given' });
    expect(budgets).toBe('process');
    expect(chain.slice(0, 3).map(({ reserves }) => reserves)).toEqual([
      [
        { limit: 'requests', of: 10, amount: 1, fits: true },
        { limit: 'tokens', of: 2000, amount: 1700, fits: true, input: 1500, output: 200 },
      ],
      [
        { limit: 'input_tokens', of: 1500, amount: 1500, fits: true },
        { limit: 'output_tokens', of: 500, amount: 50, fits: true },
        { limit: 'concurrency', of: 3, amount: 1, fits: true },
      ],
      [{ limit: 'tokens', of: 100_000, amount: 2500, fits: true, input: 1500, output: 1000 }],
    ]);
    expect(chain[2]).toMatchObject({ budget: 'pool', sharedWith: ['twin'], skipped: null });
  });

  test('with max-tokens, 1,000 for an answer without one, even if that is the whole limit', async () => {
    const { chain, outputEstimate } = await road({ ...config, budgets: { outputEstimate: 'max-tokens' } }, 'g', '--prompt-tokens', '500');
    expect(outputEstimate).toBe('max-tokens');
    expect(chain.slice(0, 3).map(({ reserves }) => reserves.map(({ limit, amount, fits }) => [limit, amount, fits]))).toEqual([
      [['requests', 1, true], ['tokens', 1500, true]],
      [['input_tokens', 500, true], ['output_tokens', 500, true], ['concurrency', 1, true]],
      [['tokens', 1500, true]],
    ]);
    expect((await run(['-', '--model', 'g'], JSON.stringify({ ...config, budgets: { outputEstimate: 'max-tokens' } }))).out).toContain("Output estimate: the request's max_tokens, here 1,000 because it is not set.\n");
  });

  test('a trial run skips nothing for a budget', async () => {
    const trial = { ...config, budgets: { enforce: false } };
    const { chain, order, enforced } = await road(trial, 'tight', '--prompt-tokens', '5000');
    expect({ order, enforced }).toEqual({ order: ['small', 'inputs'], enforced: false });
    expect(chain[0]!.reserves[1]).toMatchObject({ limit: 'tokens', fits: false });
    expect((await run(['-', '--model', 'tight'], JSON.stringify(trial))).out).toContain('They are not enforced (budgets.enforce: false)');
  });

  test('money is in dollars: what is reserved of a limit, and what it costs wherever there is a price', async () => {
    const price = { input: 3, output: 15 };
    const priced = {
      models: { a: openai({ costPerDay: 20, costPerMonth: 0.0001 }, { price }), b: openai({ costPerDay: 0.05 }, { price }), c: openai(undefined, { price }), d: openai() },
      groups: { g: { models: ['a'], fallback: ['b', 'c', 'd'] } },
    };
    const { chain } = await road(priced, 'g', '--prompt-tokens', '2000');
    expect(chain.map(({ cost, reserves }) => ({ cost, reserves }))).toEqual([
      {
        cost: 0.021,
        reserves: [
          { limit: 'cost_day', of: 20, amount: 0.021, fits: true },
          { limit: 'cost_month', of: 0.0001, amount: 0.006015, fits: false },
        ],
      },
      // A tenth of the limit is left for the answer: 333 tokens.
      { cost: 0.021, reserves: [{ limit: 'cost_day', of: 0.05, amount: 0.010995, fits: true }] },
      { cost: 0.021, reserves: [] },
      { cost: undefined, reserves: [] },
    ]);
    const { out } = await run(['-', '--model', 'g', '--prompt-tokens', '2000'], JSON.stringify(priced));
    expect(out).toContain('   reserves $0.021 of $20.00 a day (UTC)\n   reserves $0.006015 of $0.0001 a month (UTC): too large\n   costs about $0.021\n');
    expect(out).toContain('   no limits: it always has room\n   costs about $0.021\n');
  });

  test('what could never fit is skipped', async () => {
    const { chain, order, refused } = await road(config, 'g', '--prompt-tokens', '1801');
    expect(chain.map(({ model, skipped }) => [model, skipped])).toEqual([['small', 'budget_tokens'], ['inputs', 'budget_tokens'], ['large', null], ['claude', 'untranslatable']]);
    expect({ order, refused }).toEqual({ order: ['large'], refused: null });
  });

  test('when nothing can serve, the status that the app gets', async () => {
    expect(await road(config, 'tight', '--prompt-tokens', '5000')).toMatchObject({ order: [], refused: 429 });
    expect(await road(config, 'far')).toMatchObject({ order: [], refused: 400, prompt: { tokens: 0, from: 'unknown' } });
    expect((await run(['-', '--model', 'tight', '--prompt-tokens', '5000'], JSON.stringify(config))).out).toContain('the app gets 429 at once');
  });

  test('a text counts as the request around it; the number wins over it', async () => {
    const text = 'naïve “日本” \n "quoted"';
    const bytes = Buffer.byteLength(JSON.stringify({ model: 'g', messages: [{ role: 'user', content: text }] }));
    expect((await road(config, 'g', '--text', text)).prompt).toEqual({ tokens: Math.ceil(bytes / 3), from: 'measured', bytes });
    expect((await road(config, 'g', '--text', 'x', '--prompt-tokens', '7')).prompt).toEqual({ tokens: 7, from: 'given' });
    // As on the road, an image is not as many tokens as it has bytes.
    const image = `data:image/png;base64,${'A'.repeat(60_000)}`;
    expect((await road(config, 'g', '--text', image)).prompt.tokens).toBeLessThan(1500);
    expect((await road(config, 'g', '--text', '\uD800')).prompt.from).toBe('measured');
  });
});

describe('a long prompt', () => {
  const config = {
    models: { a: openai(undefined, { contextWindow: 1000 }), b: openai(undefined, { contextWindow: 500 }), long: openai(undefined, { contextWindow: 9000 }), other: openai() },
    groups: { g: { models: ['a'], fallback: ['b'], contextWindowFallback: ['long', 'other'], contentPolicyFallback: ['other'] }, plain: { models: ['a'], fallback: ['other'] } },
  };
  const asked = async (name: string, tokens: number): Promise<unknown[]> => (await road(config, name, '--prompt-tokens', String(tokens))).chain.map(({ model, role, skipped }) => [model, role, skipped]);

  test('goes to contextWindowFallback unsent, and one that fits does not', async () => {
    expect(await asked('g', 1000)).toEqual([['a', 'primary', null], ['b', 'fallback', 'context_window']]);
    expect(await asked('g', 1001)).toEqual([['a', 'primary', 'context_window'], ['long', 'contextWindowFallback', null], ['other', 'contextWindowFallback', null]]);
    expect(await asked('g', 9001)).toEqual([['a', 'primary', 'context_window'], ['long', 'contextWindowFallback', 'context_window'], ['other', 'contextWindowFallback', null]]);
    expect(await road(config, 'g')).toMatchObject({ contextWindowFallback: ['long', 'other'], contentPolicyFallback: ['other'] });
  });

  test('with nowhere to go is for the upstream to refuse', async () => {
    expect(await asked('plain', 1001)).toEqual([['a', 'primary', null], ['other', 'fallback', null]]);
    const { out } = await run(['-', '--model', 'plain', '--prompt-tokens', '1001'], JSON.stringify(config));
    expect(out).toContain('   context window of 1,000 tokens: the prompt seems too long, and has nowhere else to go, so the upstream decides\n');
    expect(out).toContain('A refusal of a prompt as too long goes back to the app.\nA refusal by a content policy goes back to the app.\n');
  });

  test('as text', async () => {
    const { out } = await run(['-', '--model', 'g', '--prompt-tokens', '1001'], JSON.stringify(config));
    expect(out).toContain('Tried in this order: long, other.');
    expect(out).toContain('   skipped as context_window: the prompt is longer than its context window of 1,000 tokens, so it is not sent\n');
    expect(out).toContain('2. long – fallback of g for long prompts\n');
    expect(out).toContain('A prompt that is too long for a model of g goes to long, other instead of the fallback, as this one does.\nA refusal by a content policy goes to other.\n');
  });
});

describe('auto', () => {
  const config = {
    models: { a: openai(), b: openai() },
    groups: { large: { models: ['a'] }, small: { models: ['b'] } },
    tasks: { default: 'large', rules: [{ task: 'coding', keywords: ['code'], group: 'large' }, { task: 'short', maxPromptTokens: 60, group: 'small' }, { task: 'direct', group: 'b' }] },
  };
  const chosen = async (...more: string[]): Promise<unknown> => {
    const { asked, group, choice, order } = await road(config, 'auto', ...more);
    expect(asked).toBe('auto');
    return { group, by: choice!.by, rule: choice!.rule, order };
  };
  const said = async (...more: string[]): Promise<string> => (await run(['-', '--model', 'auto', ...more], JSON.stringify(config))).out.split('\n', 1)[0]!;

  test('is the group that the tasks pick for this prompt', async () => {
    expect(await chosen('--text', 'Please review this CODE.')).toEqual({ group: 'large', by: 'rule', rule: 0, order: ['a'] });
    expect(await chosen('--text', 'decode')).toEqual({ group: 'small', by: 'rule', rule: 1, order: ['b'] });
    expect(await chosen('--text', 'decode', '--prompt-tokens', '61')).toEqual({ group: 'large', by: 'default', rule: -1, order: ['a'] });
    expect(await chosen('--text', 'code', '--task', 'direct')).toEqual({ group: 'b', by: 'header', rule: 2, order: ['b'] });
    expect(await chosen('--text', 'code', '--task', 'else')).toEqual({ group: 'large', by: 'unknown_task', rule: -1, order: ['a'] });
    // A prompt of which nothing is known is not short.
    expect(await chosen()).toEqual({ group: 'large', by: 'default', rule: -1, order: ['a'] });
  });

  test('says why', async () => {
    expect(await said('--text', 'code')).toBe('auto means large: rule 1 (coding) is the first that fits.');
    expect(await said('--task', 'direct')).toBe('auto means b: x-spillway-task names rule 3 (direct).');
    expect(await said('--task', 'else')).toBe('auto means large: the default, because no rule has the task "else".');
    expect(await said()).toBe('auto means large: the default, because no rule fits.');
  });
});

describe('the policy', () => {
  const config = {
    models: { a: openai() },
    groups: { g: { models: ['a'], policy: { deadline: '30s', timeouts: { total: '20s' }, breaker: { failures: 2 }, maxAttempts: 2, hedge: { after: '3s' } } }, plain: { models: ['a'] } },
    policy: { deadline: '2m', timeouts: { firstToken: '10s' } },
  };

  test('is the one in force, with what the group overrides', async () => {
    const { policy } = await road(config, 'g');
    expect(policy).toMatchObject({ deadline: '30s', maxAttempts: 2, breaker: { failures: 2, window: '1m', open: '30s' }, timeouts: { connect: '5s', firstToken: '10s', idle: '30s', total: '20s' } });
    expect(policy.overrides).toEqual(
      expect.arrayContaining([
        { key: 'deadline', value: '30s', instead: '2m' },
        { key: 'timeouts.total', value: '20s', instead: '10m' },
        { key: 'maxAttempts', value: 2, instead: 6 },
        { key: 'breaker.failures', value: 2, instead: 5 },
        { key: 'hedge', value: { after: '3s', maxShare: 0.05 }, instead: null },
      ]),
    );
    expect(policy.overrides).toHaveLength(5);
  });

  test('of a group without one, and of a model, is the top one', async () => {
    for (const name of ['plain', 'a']) expect((await road(config, name)).policy).toMatchObject({ deadline: '2m', maxAttempts: 6, overrides: [] });
  });
});

test('warnings are those of the models and groups on this road, and of all roads', async () => {
  const config = {
    models: { a: openai(), 'a.b': openai(undefined, { dropParams: true }), other: openai(undefined, { dropParams: true }), far: openai(undefined, { dropParams: true }) },
    groups: { g: { models: ['a'], fallback: ['h'] }, h: { models: ['other'], policy: { priority: 'low' } }, elsewhere: { models: ['far'], policy: { priority: 'low' } } },
    policy: { reserve: 0.2 },
    alerts: { failuresPerHour: 7 },
    drills: true,
  };
  const paths = async (name: string): Promise<string[]> => (await road(config, name)).warnings.map(({ path }) => path).toSorted();
  expect(await paths('g')).toEqual(['groups.h.policy.priority', 'models.other.dropParams', 'policy.reserve']);
  expect(await paths('a.b')).toEqual(['models.a.b.dropParams', 'policy.reserve']);
});

describe('as text', () => {
  const config = `models:
  dev: { provider: openai, model: gpt-5, limits: { requestsPerMinute: 10, tokensPerMinute: 10000 } }
  large: { provider: openai, model: gpt-5-mini, baseUrl: "http://127.0.0.1:1/v1" }
groups:
  chat: { models: [dev], fallback: [large], policy: { deadline: 30s, wait: 1s, priority: low, hedge: { after: 3s } } }
`;

  test('says everything once', async () => {
    const { code, out } = await run(['-', '--model', 'chat', '--prompt-tokens', '9500'], config);
    expect(code).toBe(0);
    expect(out).toBe(`chat is a group. Tried: large. The others are skipped.

Input estimate: 9,500 tokens, as given.
Output estimate: learned from a model's answers. Before there are enough, as here, the request's max_tokens, here 1,000 because it is not set, but at most a tenth of the limit.
Budgets are kept in this process alone: no redis is configured.

1. dev – primary of chat
   openai: gpt-5
   reserves 1 of 10 requests a minute
   reserves 10,500 (9,500 in, 1,000 out) of 10,000 tokens a minute: too large
   skipped as budget_tokens: the request is larger than the whole limit, so it would never have room

2. large – fallback of chat
   openai: gpt-5-mini at http://127.0.0.1:1/v1
   no limits: it always has room

A refusal of a prompt as too long goes back to the app.
A refusal by a content policy goes back to the app.

Policy: 30s for the whole request, at most 6 upstream calls.
Time-outs of one call: connect 5s, firstToken 30s, idle 30s, total 10m.
Circuit breaker: 5 failures within 1m shut a model out for 30s.
1 retry on the same model after a failure that may pass, after up to 250ms. With nothing else to try, up to 10s are waited for a Retry-After or a budget.
A stream that breaks midway ends with an error.
The fallback starts beside a primary without a first token after 3s, for at most 5 % of the requests.
The primary is waited for where it is free again within 1s.
The group overrides deadline 30s instead of 10m, hedge {"after":"3s","maxShare":0.05} instead of null, wait 1s instead of 0ms, priority low instead of normal.

What the file asks here and this version does not do:
  -:5:80: priorities have no effect in this version

Nothing was sent, and no key was looked at: a model whose key is missing is skipped as auth.
`);
  });

  test('a manifest, under a key of its own', async () => {
    const manifest = `kind: ConfigMap\ndata:\n  own: |\n${config.replace(/^(?=.)/gm, '    ')}`;
    expect(await run(['-', '--model', 'chat', '--key', 'own'], manifest)).toMatchObject({ code: 0, out: expect.stringContaining('Tried in this order: dev, large.') });
  });
});

describe('what cannot be explained', () => {
  const config = 'models:\n  primary: { provider: openai, model: x }\ngroups:\n  chat: { models: [primary] }\n';

  test('a name that is not there', async () => {
    expect(await run(['-', '--model', 'chta'], config)).toEqual({ code: 1, out: '', err: 'spillway explain: there is no model or group "chta": did you mean "chat"? known are chat, primary\n' });
    expect((await run(['-', '--model', 'constructor', '--json'], config)).err).toBe('spillway explain: there is no model or group "constructor": known are chat, primary\n');
  });

  test('auto, without tasks', async () => {
    const { code, err } = await run(['-', '--model', 'auto'], config);
    expect(code).toBe(1);
    expect(err).toMatch(/^spillway explain: "auto" picks a group by the file's tasks, and it has none.*known are chat, primary\n$/);
  });

  test('a file with mistakes, in the words of validate', async () => {
    const wrong = readdirSync(fixtures).filter((name) => /^(?:unknown|manifest|redis|alias|tab)/.test(name));
    expect(wrong.length).toBeGreaterThan(10);
    for (const name of [...wrong, 'nowhere.yaml', '.']) {
      const path = join(fixtures, name);
      const said = await run([path], '', validate);
      if (said.code === 1) expect(await run([path, '--model', 'g'])).toEqual(said);
    }
  });

  test('wrong usage', async () => {
    for (const args of [[], ['-'], ['-', '--model', ''], ['a', 'b', '--model', 'x'], ['', '--model', 'x'], ['-', '--model', 'x', '--prompt-tokens', '1.5'], ['-', '--model', 'x', '--prompt-tokens=-1'], ['-', '--nonsense'], ['-', '--model', 'x', '--task', 't'], ['-', '--model']]) {
      await expect(run(args, config)).rejects.toThrow(UsageError);
    }
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('usage: spillway explain FILE --model M'), err: '' });
  });
});
