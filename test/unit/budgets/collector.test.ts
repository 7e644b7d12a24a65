/** One turn of the event loop after the other, with the reading and the answers in the test's hand. */
import { expect, test } from '@jest/globals';
import { Collector, type Question } from '../../../src/budgets/collector.ts';
import type { Actual, Candidate, Decision, Report } from '../../../src/budgets/types.ts';

const candidates: Candidate[] = [{ model: 'm', budget: 'b', asks: [] }];
const decision = (chosen: number): Decision => ({ chosen, refusals: [], levels: [], replayed: false, probe: false, would: null, by: 'redis' });

const microtasks = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });

interface Call {
  readonly questions: readonly Question[];
  answer(): Promise<void>;
  fail(): Promise<void>;
}

class World {
  readonly calls: Call[] = [];
  readonly settled: [id: string, actual: Actual, report: Report | undefined][] = [];
  readonly collector: Collector;
  #reading: (() => void)[] = [];

  constructor() {
    this.collector = new Collector({
      decide: (questions) => this.#decide(questions),
      settle: (...its) => this.settled.push(its),
      timers: { after: () => () => undefined, afterReading: (run) => void this.#reading.push(run) },
    });
  }

  /** Notes the decision when it is there. */
  ask(id: string, into: string[] = []): Promise<Decision> {
    const asked = this.collector.ask(id, candidates, true);
    void asked.then(({ chosen }) => into.push(`${id}: ${chosen}`), () => undefined);
    return asked;
  }

  /** The sockets have been read, once. */
  read(): Promise<void> {
    for (const run of this.#reading.splice(0)) run();
    return microtasks();
  }

  /** As often as it is waited for. */
  async turn(): Promise<void> {
    while (this.#reading.length > 0) await this.read();
  }

  get ids(): string[][] {
    return this.calls.map(({ questions }) => questions.map(({ id }) => id));
  }

  #decide(questions: readonly Question[]): Promise<void> {
    const answered = Promise.withResolvers<void>();
    this.calls.push({
      questions,
      answer: () => {
        for (const [i, question] of questions.entries()) question.decision = decision(i);
        answered.resolve();
        return microtasks();
      },
      fail: () => {
        answered.reject(new Error('broken'));
        return microtasks();
      },
    });
    return answered.promise;
  }
}

test('one alone leaves at once; several wait for those that are read behind them, once', async () => {
  const world = new World();
  void world.ask('a');
  await world.read();
  expect(world.ids).toEqual([['a']]);
  for (const id of ['b', 'c']) void world.ask(id);
  await world.read();
  void world.ask('d');
  expect(world.ids).toEqual([['a']]);
  await world.read();
  expect(world.ids).toEqual([['a'], ['b', 'c', 'd']]);
});

test('what one turn asks is decided together, in its order, and each gets its own decision', async () => {
  const world = new World();
  const got: string[] = [];
  void world.ask('a', got);
  await microtasks();
  void world.ask('b', got);
  expect(world.calls).toEqual([]);
  await world.turn();
  void world.ask('c', got);
  await world.turn();
  expect(world.ids).toEqual([['a', 'b'], ['c']]);
  expect(world.calls[0]!.questions[0]).toMatchObject({ kind: 'reserve', id: 'a', candidates, enforce: true });
  // A later turn does not wait for an earlier one.
  await world.calls[1]!.answer();
  expect(got).toEqual(['c: 0']);
  await world.calls[0]!.answer();
  expect(got).toEqual(['c: 0', 'a: 0', 'b: 1']);
});

test('a settle before the decision, asked or not yet, is done once, when the decision is there and not known yet', async () => {
  const world = new World();
  const got: string[] = [];
  for (const id of ['a', 'b']) void world.ask(id, got);
  world.collector.settle('a', { requests: 1 }, { kind: 'ok' });
  world.collector.settle('a', { requests: 2 }, undefined);
  await world.turn();
  void world.ask('c', got);
  world.collector.settle('b', { requests: 3 }, undefined);
  world.collector.settle('nobody', { requests: 4 }, undefined);
  expect(world.settled).toEqual([]);
  const known = world.ask('d').then(() => world.settled.length);
  world.collector.settle('d', { requests: 5 }, undefined);
  await world.turn();
  await world.calls[0]!.answer();
  expect(world.settled).toEqual([['a', { requests: 1 }, { kind: 'ok' }], ['b', { requests: 3 }, undefined]]);
  expect(got).toEqual(['a: 0', 'b: 1']);
  await world.calls[1]!.answer();
  expect(await known).toBe(3);
  // It is known from here on, to others.
  world.collector.settle('d', { requests: 6 }, undefined);
  await world.turn();
  expect(world.settled).toHaveLength(3);
});

test('idle waits for what is asked, for what is not asked yet, and for what comes meanwhile', async () => {
  const world = new World();
  let isIdle = false;
  void world.ask('a');
  await world.turn();
  void world.ask('b');
  void world.collector.idle().then(() => (isIdle = true));
  await world.calls[0]!.answer();
  await world.turn();
  void world.ask('c');
  await world.calls[1]!.answer();
  expect(isIdle).toBe(false);
  await world.turn();
  await world.calls[2]!.answer();
  expect(isIdle).toBe(true);
});

test('where nothing decides, who asked hears of it, and the next turn is no worse for it', async () => {
  const world = new World();
  const asked = [world.ask('a'), world.ask('b')];
  await world.turn();
  const next = world.ask('c');
  await world.calls[0]!.fail();
  for (const one of asked) await expect(one).rejects.toThrow('broken');
  await world.turn();
  await world.calls[1]!.answer();
  expect(await next).toEqual(decision(0));
  await world.collector.idle();
});
