import { describe, expect, test } from '@jest/globals';
import { banner, curlLine, reachable } from '../../../src/commands/demo/banner.ts';
import { GROUPS, PRIMARIES } from '../../../src/commands/demo/scene.ts';
import { summary, type SummaryFacts } from '../../../src/commands/demo/summary.ts';

const provider = (calls: number[]): SummaryFacts['primaries'] =>
  PRIMARIES.map((model) => ({ model, worst: { calls: 10, tokens: 1000 }, rejected429: 0, calls }));
const facts = (changes: Partial<SummaryFacts> = {}): SummaryFacts => ({
  at: 75_300,
  stoppedEarly: false,
  app: {
    sent: 140,
    answered: 140,
    failed: 0,
    overheads: [0.3, 0.1, 9],
    groups: new Map([[GROUPS[1]!.name, { primary: 16, fallback: 54, reasons: new Map([['overloaded', 4], ['budget_requests', 50]]) }]]),
  },
  answered: 140,
  groups: GROUPS,
  primaries: provider([10]),
  next: ['one', 'two'],
  ...changes,
});

describe('the summary', () => {
  test('in full', () => {
    expect(summary(facts())).toBe(`Summary after 1:15
  requests sent              140
  answered                   140
  errors the app saw         0
  dev-claude-with-fallback   not asked
  prod-claude-with-fallback  primary 16, fallback 54
                             budget_requests 50, overloaded 4
  worst 60 s at dev-claude   10 of 10 requests, 1,000 of 10,000 tokens
  worst 60 s at prod-claude  10 of 10 requests, 1,000 of 10,000 tokens
  429 from the primaries     0
  median overhead            0.30 ms

Next
  one
  two
`);
  });

  test('of two sidecars tells the calls of each', () => {
    expect(summary(facts({ primaries: provider([6, 4]) }))).toContain('calls by sidecar           dev-claude 6 + 4, prod-claude 6 + 4\n');
  });

  test('without an app tells what the sidecar answered', () => {
    const text = summary(facts({ app: undefined, answered: 1234 }));
    expect(text).toMatch(/requests answered +1,234\n/);
    expect(text).not.toContain('overhead');
  });

  test('says that it was stopped, and copes with nothing at all', () => {
    const app = { sent: 0, answered: 0, failed: 0, overheads: [], groups: new Map() };
    const text = summary(facts({ stoppedEarly: true, app }));
    expect(text).toContain('Summary after 1:15, stopped early\n');
    expect(text).toMatch(/median overhead +not known/);
  });
});

describe('the banner', () => {
  const lines = (budgets: Parameters<typeof banner>[0]['budgets'], sidecars = 1) =>
    banner({ sidecars: Array.from({ length: sidecars }, () => ({ listen: 'http://h:1', admin: 'http://h:2' })), budgets, curl: 'curl x', serveOnly: false }).join('\n');

  test('says where the budgets are', () => {
    expect(lines({ in: 'process' })).toContain('budgets: in this process (with REDIS_URL');
    expect(lines({ in: 'process', away: 'refused' })).toContain('the Redis of REDIS_URL does not answer (refused)');
    expect(lines({ in: 'redis' }, 2)).toMatch(/sidecar 1: [\s\S]*sidecar 2: [\s\S]*shared by both sidecars/);
  });

  test('the curl line goes around a proxy', () => {
    const line = `http://h:1/v1/chat/completions -H 'content-type: application/json' -d '{"model":"prod-claude-with-fallback","messages":[{"role":"user","content":"Hello"}]}'`;
    expect(curlLine('http://h:1', {})).toBe(`curl -i ${line}`);
    expect(curlLine('http://h:1', { http_proxy: 'http://p' })).toBe(`curl -i --noproxy '*' ${line}`);
  });

  test('an address that is every address is named as one that can be asked', () => {
    expect([{ host: '0.0.0.0', port: 1 }, { host: '::', port: 2 }, { host: 'localhost', port: 3 }].map(reachable)).toEqual(['http://127.0.0.1:1', 'http://[::1]:2', 'http://localhost:3']);
  });
});
