/** The way to Redis, with time and answers in the test's hand. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NOTHING } from '../../../src/budgets/amounts.ts';
import type { Op, OpResult } from '../../../src/budgets/ops.ts';
import { Outbox, type Reserve } from '../../../src/budgets/outbox.ts';

const reserve = (id: string): Reserve => ({ kind: 'reserve', id, candidates: [], enforce: true });
const settle = (id: string): Op => ({ kind: 'settle', id, budgets: ['a'], actual: {} });
const report = (id: string): Op => ({ kind: 'report', id, budgets: ['a'], report: { kind: 'ok' } });
const extend = (id: string): Op => ({ kind: 'extend', id, budgets: ['a'], actual: {} });
const orphan = (id: string): Op => ({ kind: 'orphan', id, budgets: ['a'] });
const assertion = (budget: string): Op => ({ kind: 'assert', budget, use: { rates: {}, costs: {}, slots: [] } });
const decided: OpResult = { chosen: 0, refusals: [], levels: [], replayed: false, probe: false, would: null, by: 'redis' };
const nameOf = (op: Op) => `${op.kind} ${op.kind === 'assert' ? op.budget : op.id}`;

interface Call {
  readonly ops: readonly Op[];
  answer(results?: readonly OpResult[]): Promise<void>;
  fail(): Promise<void>;
}

const microtasks = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });

class World {
  up = true;
  now = 1_000;
  readonly failures: string[] = [];
  /** Not answered yet. */
  readonly calls: Call[] = [];
  sent = 0;
  readonly outbox: Outbox;
  #due: { at: number; run: () => void }[] = [];
  #reading: (() => void)[] = [];

  constructor(maxAgeMs = 1e9) {
    this.outbox = new Outbox({
      apply: (ops) => this.#apply(ops),
      isUp: () => this.up,
      // As the link does it: one failure and Redis is away.
      onFailure: (error) => {
        this.up = false;
        this.failures.push((error as Error).message);
      },
      timeoutMs: 50,
      clock: () => this.now,
      maxAgeMs,
      timers: {
        after: (ms, run) => {
          const timer = { at: this.now + ms, run };
          this.#due.push(timer);
          return () => void (this.#due = this.#due.filter((one) => one !== timer));
        },
        afterReading: (run) => void this.#reading.push(run),
      },
    });
  }

  /** The sockets have been read. */
  async turn(): Promise<void> {
    await microtasks();
    for (const run of this.#reading.splice(0)) run();
    await microtasks();
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await this.turn();
      const next = this.#due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#due = this.#due.filter((one) => one !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
    await this.turn();
  }

  get waiting(): string[][] {
    return this.calls.map(({ ops }) => ops.map(nameOf));
  }

  /** Answers all there is, and what comes of it. */
  async answerAll(): Promise<string[][]> {
    const heard: string[][] = [];
    for (;;) {
      const call = this.calls[0];
      if (!call) return heard;
      heard.push(call.ops.map(nameOf));
      await call.answer();
    }
  }

  #apply(ops: readonly Op[]): Promise<readonly OpResult[]> {
    this.sent += 1;
    const answered = Promise.withResolvers<readonly OpResult[]>();
    const over = async (finish: () => void): Promise<void> => {
      this.calls.splice(this.calls.indexOf(call), 1);
      finish();
      await microtasks();
    };
    const call: Call = {
      ops,
      answer: (results = ops.map(() => true)) => over(() => answered.resolve(results)),
      fail: () => over(() => answered.reject(new Error('cut'))),
    };
    this.calls.push(call);
    return answered.promise;
  }
}

test('what is asked leaves at once as one call, in order, behind what was told; only its own answers come back', async () => {
  const world = new World();
  const heard: OpResult[] = [];
  world.outbox.tell(settle('x'));
  world.outbox.tell(settle('y'), (result) => heard.push(result));
  const answers = world.outbox.ask(['a', 'b', 'c'].map(reserve));
  expect(world.waiting).toEqual([['settle x', 'settle y', 'reserve a', 'reserve b', 'reserve c']]);
  void world.outbox.ask([reserve('d')]);
  expect(world.waiting[1]).toEqual(['reserve d']);
  await world.calls[0]!.answer([true, false, decided, 'learning', 'other_epoch']);
  expect(await answers).toEqual([decided, 'learning', 'other_epoch']);
  expect(heard).toEqual([false]);
});

test('a settle rides with the next ask; without one it leaves after 2 ms, with all that came meanwhile', async () => {
  const world = new World();
  world.outbox.tell(settle('a'));
  await world.turn();
  expect(world.waiting).toEqual([]);
  void world.outbox.ask([reserve('b')]);
  expect(world.waiting).toEqual([['settle a', 'reserve b']]);
  await world.answerAll();
  await world.pass(10);
  expect(world.sent).toBe(1);

  world.outbox.tell(settle('d'));
  await world.pass(1);
  world.outbox.tell(settle('e'));
  expect(world.waiting).toEqual([]);
  await world.pass(1);
  expect(world.waiting).toEqual([['settle d', 'settle e']]);
});

test('I12: an ask is given up after the time-out, what nobody waits for only after a second', async () => {
  const world = new World();
  const asked = world.outbox.ask([reserve('a')]);
  asked.catch(() => undefined);
  await world.pass(49);
  expect(world.failures).toEqual([]);
  await world.pass(1);
  await expect(asked).rejects.toThrow(/within 50 ms/);
  world.up = true;
  world.outbox.tell(settle('b'));
  await world.pass(2);
  // Right behind it, what it may have taken is given back.
  expect(world.waiting[1]).toEqual(['settle a', 'settle b']);
  await world.pass(998);
  expect(world.failures).toHaveLength(1);
  await world.pass(2);
  expect(world.failures[1]).toMatch(/within 1000 ms/);
});

test('a failed call rejects what it asked; what must not be lost is kept in its order, before what is told later', async () => {
  const world = new World();
  for (const op of [settle('a'), report('a'), assertion('x'), extend('b'), orphan('c'), reserve('d')]) world.outbox.tell(op);
  const asked = world.outbox.ask([reserve('e')]);
  asked.catch(() => undefined);
  await world.calls[0]!.fail();
  await expect(asked).rejects.toThrow('cut');
  world.outbox.tell(settle('d'));
  await world.pass(2);
  expect(await world.answerAll()).toEqual([['settle e']]);
  await world.pass(5_000);
  expect(world.waiting).toEqual([]);
  world.up = true;
  void world.outbox.drain();
  expect(await world.answerAll()).toEqual([['settle a', 'assert x', 'reserve d', 'settle d']]);
});

test('of several calls under way that fail, what they told keeps its order, whichever failed first', async () => {
  const world = new World();
  for (const op of [reserve('a'), settle('a'), reserve('b'), settle('b')]) {
    world.outbox.tell(op);
    await world.pass(2);
  }
  expect(world.calls).toHaveLength(4);
  const [first, second, third, fourth] = [...world.calls];
  for (const call of [third!, first!, fourth!, second!]) await call.fail();
  world.up = true;
  void world.outbox.drain();
  expect(await world.answerAll()).toEqual([['reserve a', 'settle a', 'reserve b', 'settle b']]);
});

test('a settle that lingers when Redis goes away is kept behind its reservation, not sent', async () => {
  const world = new World();
  world.outbox.tell(reserve('a'));
  await world.pass(2);
  world.outbox.tell(settle('a'));
  await world.calls[0]!.fail();
  await world.pass(10);
  expect(world.waiting).toEqual([]);
  world.up = true;
  void world.outbox.drain();
  expect(await world.answerAll()).toEqual([['reserve a', 'settle a']]);
});

test('a reservation that was carried out unheard and then settled is not made once more', async () => {
  for (const wasCarriedOut of [true, false]) {
    const world = new World();
    world.outbox.tell(reserve('a'));
    const asked = world.outbox.ask([reserve('b')]);
    asked.catch(() => undefined);
    world.outbox.tell(settle('a'));
    await world.pass(2);
    // The first call has its time-out; the second has more, and is heard.
    await world.pass(48);
    expect(world.failures).toHaveLength(1);
    await world.calls[1]!.answer([wasCarriedOut]);
    world.calls.splice(0);
    world.up = true;
    void world.outbox.drain();
    expect(await world.answerAll()).toEqual(wasCarriedOut ? [] : [['reserve a', 'settle a']]);
  }
});

/** Asks, and the call fails: what it may have taken is about to be given back. */
async function giveUp(world: World, id: string): Promise<void> {
  const asked = world.outbox.ask([reserve(id)]);
  asked.catch(() => undefined);
  await world.calls[0]!.fail();
}

test('what is given back of an ask that was given up goes out even while Redis is away', async () => {
  const world = new World();
  await giveUp(world, 'ghost');
  world.outbox.tell(settle('a'));
  await world.pass(2);
  expect(world.waiting).toEqual([['settle ghost']]);
  await world.calls[0]!.fail();
  world.up = true;
  void world.outbox.drain();
  expect(await world.answerAll()).toEqual([['settle ghost', 'settle a']]);
});

test('what is given back names every budget of the chain', async () => {
  const world = new World();
  const candidates = ['x', 'y'].map((budget) => ({ model: 'm', budget, asks: [] }));
  world.outbox.ask([{ ...reserve('a'), candidates }]).catch(() => undefined);
  await world.calls[0]!.fail();
  await world.pass(2);
  expect(world.calls[0]!.ops).toEqual([{ kind: 'settle', id: 'a', budgets: ['x', 'y'], actual: NOTHING, report: { kind: 'neutral' } }]);
});

test('what is given back of an ask that was given up says nothing of the same id when it is told later', async () => {
  const world = new World();
  await giveUp(world, 'a');
  await world.pass(2);
  world.outbox.tell(reserve('a'));
  await world.calls[0]!.answer([true]);
  world.up = true;
  void world.outbox.drain();
  expect(await world.answerAll()).toEqual([['reserve a']]);
});

test('what was kept is told a hundred at a time; what comes meanwhile goes behind; a failure stops it', async () => {
  const world = new World();
  world.up = false;
  const heard: string[] = [];
  for (let i = 0; i < 250; i += 1) world.outbox.tell(settle(`${i}`), () => heard.push(`${i}`));
  world.up = true;
  void world.outbox.drain();
  await world.turn();
  expect(world.waiting.map((names) => names.length)).toEqual([100]);
  world.outbox.tell(settle('late'));
  await world.calls[0]!.answer();
  expect(heard).toHaveLength(100);
  expect(world.waiting[0]![0]).toBe('settle 100');
  await world.calls[0]!.fail();
  await world.pass(100);
  expect(world.waiting).toEqual([]);
  world.up = true;
  const drained = world.outbox.drain();
  // Whoever asks for it meanwhile waits for the same.
  expect(world.outbox.drain()).toBe(drained);
  const told = (await world.answerAll()).flat();
  await drained;
  expect(told).toEqual([...Array.from({ length: 150 }, (_, i) => `settle ${i + 100}`), 'settle late']);
  expect(heard).toEqual(Array.from({ length: 250 }, (_, i) => `${i}`));
});

test('no more than ten thousand are kept, the newest, also of those that failed', async () => {
  const world = new World();
  world.outbox.tell(settle('first'));
  world.outbox.tell(settle('second'));
  await world.pass(2);
  world.up = false;
  for (let i = 0; i < 9_999; i += 1) world.outbox.tell(settle(`${i}`));
  await world.calls[0]!.fail();
  world.outbox.tell(settle('last'));
  world.up = true;
  void world.outbox.drain();
  const told = (await world.answerAll()).flat();
  expect(told).toHaveLength(10_000);
  expect([told[0], told.at(-1)]).toEqual(['settle 0', 'settle last']);
});

test('what Redis has forgotten by now is not told', async () => {
  const world = new World(1_000);
  world.up = false;
  world.outbox.tell(settle('old'));
  await world.pass(900);
  world.outbox.tell(settle('new'));
  await world.pass(100);
  world.up = true;
  void world.outbox.drain();
  expect(await world.answerAll()).toEqual([['settle new']]);
});

test('when Redis was emptied, nothing that was told before is told again, not even what is under way', async () => {
  const world = new World();
  world.outbox.tell(assertion('x'));
  await world.pass(2);
  world.up = false;
  world.outbox.tell(settle('a'));
  world.outbox.forget();
  world.outbox.tell(settle('b'));
  await world.calls[0]!.fail();
  world.up = true;
  void world.outbox.drain();
  expect(await world.answerAll()).toEqual([['settle b']]);
});

test('idle: what lingers leaves at once, and what its answers bring is waited for too', async () => {
  const world = new World();
  let isIdle = false;
  world.outbox.tell(settle('a'), () => world.outbox.tell(settle('b')));
  void world.outbox.idle().then(() => (isIdle = true));
  await microtasks();
  expect(world.waiting).toEqual([['settle a']]);
  await world.calls[0]!.answer();
  expect([world.waiting, isIdle]).toEqual([[['settle b']], false]);
  await world.calls[0]!.fail();
  expect(isIdle).toBe(true);
});

/** A server behind one connection: calls run in the order in which they were sent, answers come in that order. */
class Server {
  readonly world = new World();
  readonly held = new Set<string>();
  readonly made = new Map<string, number>();
  readonly #results = new Map<Call, OpResult[]>();
  isSure = true;

  /** Runs what was sent and not run yet, at most so many calls. */
  run(most: number): void {
    for (const call of this.world.calls.filter((one) => !this.#results.has(one)).slice(0, most))
      this.#results.set(call, call.ops.map((op) => this.#do(op)));
  }

  async answer(): Promise<void> {
    const [call] = this.world.calls;
    if (!call) return;
    this.run(1);
    await call.answer(this.#results.get(call)!);
  }

  /** The connection breaks: nobody hears anything. */
  async cut(): Promise<void> {
    for (let call = this.world.calls[0]; call; call = this.world.calls[0]) {
      if (this.#results.has(call)) this.isSure = false;
      await call.fail();
    }
    this.world.up = false;
  }

  #do(op: Op): OpResult {
    if (op.kind === 'reserve') {
      if (!this.held.has(op.id)) this.made.set(op.id, (this.made.get(op.id) ?? 0) + 1);
      this.held.add(op.id);
      return true;
    }
    return op.kind === 'settle' && this.held.delete(op.id);
  }
}

test('whatever fails, in the end all that was reserved is settled or given back, and made once if nothing went unheard', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant('reserve') },
    { weight: 4, arbitrary: fc.constant('settle') },
    { weight: 3, arbitrary: fc.constant('answer') },
    { weight: 3, arbitrary: fc.constant('linger') },
    fc.constantFrom('run', 'cut', 'ask', 'late', 'back'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const server = new Server();
      const { world } = server;
      const open: string[] = [];
      const givenUp = new Set<string>();
      let ids = 0;
      for (const what of steps) {
        if (what === 'reserve') {
          open.push(`${(ids += 1)}`);
          world.outbox.tell(reserve(open.at(-1)!));
        } else if (what === 'settle' && open.length > 0) world.outbox.tell(settle(open.shift()!));
        else if (what === 'answer') await server.answer();
        else if (what === 'linger') await world.pass(2);
        else if (what === 'run') server.run(2);
        else if (what === 'cut') await server.cut();
        else if (what === 'ask' && world.up) {
          const id = `${(ids += 1)}`;
          // What was given up is given back without a word.
          void world.outbox.ask([reserve(id)]).then(() => open.push(id), () => givenUp.add(id));
        } else if (what === 'back' && world.calls.length === 0 && !world.up) {
          world.up = true;
          void world.outbox.drain();
        } else if (what === 'late') {
          // It runs in the end; who waited for it has gone.
          await world.pass(60);
          if (world.calls.length > 0) server.isSure = false;
          server.run(9);
        }
      }
      for (let round = 0; round < 20; round += 1) {
        for (const id of open.splice(0)) world.outbox.tell(settle(id));
        await world.pass(2);
        while (world.calls.length > 0) await server.answer();
        world.up = true;
        void world.outbox.drain();
        await world.turn();
      }
      expect([...server.held]).toEqual([]);
      const made = (id: string) => server.made.has(id) || givenUp.has(id);
      expect(Array.from({ length: ids }, (_, i) => `${i + 1}`).filter((id) => !made(id))).toEqual([]);
      if (server.isSure) expect([...server.made.values()].every((times) => times === 1)).toBe(true);
    }),
    { numRuns: 150 },
  );
});
