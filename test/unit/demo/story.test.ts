import { describe, expect, test } from '@jest/globals';
import { figuresOf, type Figures } from '../../../src/commands/demo/figures.ts';
import { DEV, GROUPS, MODELS, PROD } from '../../../src/commands/demo/scene.ts';
import { Story } from '../../../src/commands/demo/story.ts';

const ending = (reason: string, count: number, group = PROD, outcome = 'ok') =>
  ({ group: group.name, model: outcome === 'refused' ? '' : reason === '' ? group.primary : group.fallback, outcome, reason, count });
const nothing = { used: 0, limit: 10 };
const look = (endings: Figures['endings'], degraded = false, used = 0): Figures => ({
  endings,
  degraded,
  models: new Map([[PROD.primary, { requests: { used, limit: 10 }, tokens: nothing, answered: 0, calls: [] }]]),
});

function told(...looks: Figures[]): string[] {
  const texts: string[] = [];
  const story = new Story(GROUPS, ({ text }) => texts.push(text));
  looks.forEach((figures, i) => story.see(figures, i * 1000));
  return texts;
}

describe('the story', () => {
  test('tells a change of who serves, once', () => {
    expect(told(look([ending('', 1)]), look([ending('', 2)]), look([ending('', 2), ending('overloaded', 1)]), look([ending('', 3), ending('overloaded', 1)]))).toEqual([
      'prod-claude-with-fallback -> prod-claude',
      'prod-claude-with-fallback -> bed-claude-4.5-haiku  overloaded',
      'prod-claude-with-fallback -> prod-claude  the primary again',
    ]);
  });

  test('says when an exhausted primary has room again, once', () => {
    const empty = look([ending('', 1), ending('budget_requests', 1)]);
    const back = look([ending('', 2), ending('budget_requests', 1)]);
    const again = look([ending('', 2), ending('budget_requests', 2)]);
    const hints = told(look([ending('', 1)], false, 1), empty, back, again).filter((text) => text.includes('room again'));
    expect(hints).toEqual(['prod-claude has room again at about 1:02, when its first minute is over']);
  });

  test('of several within one look, the one who served already goes on', () => {
    expect(told(look([ending('', 1)]), look([ending('', 2), ending('budget_tokens', 1)]))).toHaveLength(1);
  });

  test('groups do not disturb each other', () => {
    const texts = told(look([ending('', 1), ending('budget_tokens', 1, DEV)]));
    expect(texts).toEqual(['dev-claude-with-fallback -> bed-claude-4.5-haiku  budget_tokens', 'prod-claude-with-fallback -> prod-claude']);
  });

  test('tells a failed request and not a caller that left', () => {
    expect(told(look([ending('timeout', 1, PROD, 'refused'), ending('', 1, PROD, 'client_left')]))).toEqual(['prod-claude-with-fallback: a request failed (timeout)']);
  });

  test('tells that Redis went and came', () => {
    expect(told(look([]), look([], true), look([], true), look([]))).toEqual([
      'Redis does not answer: each sidecar goes on with its share of the budgets',
      'Redis answers again: the budgets are shared',
    ]);
  });
});

describe('figures', () => {
  const text = (ok: number, used: number, degraded = 0) => `# HELP spillway_requests_total Requests answered.
# TYPE spillway_requests_total counter
spillway_requests_total{group="dev-claude-with-fallback",model="dev-claude",outcome="ok",fallback="false",reason=""} ${ok}
spillway_requests_total{group="dev-claude-with-fallback",model="bed-claude-4.5-haiku",outcome="ok",fallback="true",reason="budget_tokens"} 2
spillway_attempts_total{model="dev-claude",outcome="ok",reason=""} ${ok}
spillway_attempts_total{model="dev-claude",outcome="failed",reason="overloaded"} 1
spillway_overhead_seconds_bucket{le="0.0001"} 3
spillway_budget_limit{model="dev-claude",budget="requests"} 10
spillway_budget_used{model="dev-claude",budget="requests"} ${used}
spillway_degraded ${degraded}
`;
  const names = MODELS.map(({ name }) => name);

  test('of two sidecars are added up, but the budget that they share is not', () => {
    const { models, endings, degraded } = figuresOf([text(3, 7), text(4, 7)], names);
    expect(models.get('dev-claude')).toEqual({ requests: { used: 7, limit: 10 }, tokens: { used: 0, limit: 0 }, answered: 7, calls: [4, 5] });
    expect(models.get('bed-claude-4.5-haiku')).toMatchObject({ answered: 4, calls: [0, 0] });
    expect(endings).toContainEqual({ group: DEV.name, model: 'dev-claude', outcome: 'ok', reason: '', count: 7 });
    expect(degraded).toBe(false);
  });

  test('one sidecar without its Redis is enough to say so', () => {
    expect(figuresOf([text(1, 1), text(1, 1, 1)], names).degraded).toBe(true);
  });

  test('of nothing are nothing', () => {
    expect(figuresOf([''], ['dev-claude']).models.get('dev-claude')).toEqual({ requests: { used: 0, limit: 0 }, tokens: { used: 0, limit: 0 }, answered: 0, calls: [0] });
  });
});
