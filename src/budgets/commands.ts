/** The scripts as typed calls: one round trip each. Knows the keys; ops-wire.ts knows how operations are written. */
import type { Cluster, Redis } from 'ioredis';
import type { BeatAnswer, Held, NewEpoch, Op, OpResult, Orphan } from './ops.ts';
import { CIRCUITS, LETTERS, OpReader, OpWriter, type Arg, type BudgetIndex } from './ops-wire.ts';
import { SCRIPT_NAMES, type ScriptName, type Scripts } from './scripts.ts';
import type { Health, Level, Subjects, Usage, WindowShape } from './types.ts';

export type { AssertedUse, BeatAnswer, Held, NewEpoch, Op, OpResult, Orphan, Undecided } from './ops.ts';

export type RedisClient = Redis | Cluster;

export interface CommandsOptions {
  readonly client: RedisClient;
  readonly scripts: Scripts;
  readonly keyPrefix: string;
  readonly window: WindowShape;
  /** How long a slot is held and a reservation counts as under way without a beat. */
  readonly leaseMs: number;
  /** How long an orphan is remembered. */
  readonly recordMs: number;
}

/** `now` is for tests; without it Redis' own clock is used. All reject when Redis cannot answer. */
export interface Commands {
  /**
   * In order, and all at one moment. With an `epoch` (not empty) that is not the one in Redis, nothing is reserved.
   * Answers in order.
   */
  apply(ops: readonly Op[], epoch: string, now?: number): Promise<OpResult[]>;
  /** A heartbeat of 0 ms: the pod leaves. */
  beat(pod: string, podMs: number, held: readonly Held[], newEpoch: NewEpoch, now?: number): Promise<BeatAnswer>;
  usage(subjects: Subjects, now?: number): Promise<Usage>;
}

/** Rings expire this long after their newest sub-bucket, far beyond any window. */
const RING_MS = 600_000;

/** Redis does nothing else while a script runs: more operations than this are sent as several calls. */
const MOST_OPS = 250;

/** Takes the number of keys, the keys, and what follows. */
type Run = (args: readonly Arg[]) => Promise<unknown>;

interface BudgetKeys {
  readonly rings: string;
  readonly slots: string;
  readonly money: string;
  /** The call that it was last part of, and its place there. */
  call: number;
  index: number;
}

export function createCommands(options: CommandsOptions): Commands {
  const { client, keyPrefix, window, leaseMs, recordMs } = options;
  const run = define(client, options.scripts);
  // One hash tag: in a cluster all of it lives on one node, or no script could see several budgets at once.
  const tag = `{${keyPrefix}}`;
  const records = `${tag}:rsv`;
  const leases = `${tag}:lease`;
  const ringsOf = `${tag}:u:`;
  const shape = [window.stepMs, window.steps, Math.max(RING_MS, 2 * window.stepMs * (window.steps + 1)), leaseMs] as const;

  const budgets = new Map<string, BudgetKeys>();
  let call = 0;
  /** Of the call that is being written: the number of keys, then they. */
  let sent: Arg[] = [];
  const begin = () => {
    call += 1;
    sent = [0, records, leases];
  };
  /** Numbers the budgets of one call, and collects their keys. */
  const indexOf: BudgetIndex = (name) => {
    let budget = budgets.get(name);
    if (!budget) {
      budget = { rings: ringsOf + name, slots: `${tag}:c:${name}`, money: `${tag}:m:${name}`, call: 0, index: 0 };
      budgets.set(name, budget);
    }
    if (budget.call !== call) {
      budget.call = call;
      budget.index = sent.length / 3;
      sent.push(budget.rings, budget.slots, budget.money);
    }
    return budget.index;
  };
  /** When all keys are there. What is pushed to it follows them. */
  const counted = () => {
    sent[0] = sent.length - 1;
    return sent;
  };

  const writer = new OpWriter(indexOf);
  const reader = new OpReader();
  const applyAtOnce = async (ops: readonly Op[], epoch: string, now: number): Promise<OpResult[]> => {
    begin();
    const list = writer.write(ops);
    const args = counted();
    args.push(now, shape[0], shape[1], shape[2], shape[3], recordMs, epoch, list);
    return reader.read(ops, (await run.apply(args)) as Uint8Array);
  };
  const applyInParts = async (ops: readonly Op[], epoch: string, now: number): Promise<OpResult[]> => {
    const parts: Promise<OpResult[]>[] = [];
    for (let at = 0; at < ops.length; at += MOST_OPS) parts.push(applyAtOnce(ops.slice(at, at + MOST_OPS), epoch, now));
    return (await Promise.all(parts)).flat();
  };

  return {
    apply: (ops, epoch, now = 0) => (ops.length <= MOST_OPS ? applyAtOnce : applyInParts)(ops, epoch, now),

    async beat(pod, podMs, held, newEpoch, now = 0) {
      const places = new Map<string, number>();
      const args: Arg[] = [now, pod, podMs, 2 * recordMs, leaseMs, newEpoch.id, newEpoch.learnMs, newEpoch.after ?? 0];
      const slots = (budget: string) => {
        if (!places.has(budget)) places.set(budget, places.size + 1);
        return places.get(budget)!;
      };
      for (const { id, slotOf } of held) args.push(id, slotOf === null ? 0 : slots(slotOf));
      const beatKeys = [`${tag}:pods`, `${tag}:grants`, records, leases];
      for (const budget of places.keys()) beatKeys.push(`${tag}:c:${budget}`);
      const answer = (await run.beat([beatKeys.length as Arg].concat(beatKeys, args))) as Arg[];
      const [pods, grant, epoch, learningMs, newest] = answer as [number, number, string, number, number];
      const orphans: Orphan[] = [];
      for (let i = 5; i < answer.length; i += 2)
        orphans.push({ id: String(answer[i]), budget: String(answer[i + 1]).slice(ringsOf.length) });
      return { pods, grant, epoch, learningMs, newest, orphans };
    },

    async usage(subjects, now = 0) {
      const models = new Map<string, string[]>();
      for (const name of subjects.budgets.keys()) models.set(name, []);
      for (const [model, budget] of subjects.models) {
        const known = models.get(budget);
        if (known) known.push(model);
        else models.set(budget, [model]);
      }
      begin();
      for (const name of models.keys()) indexOf(name);
      const args = counted();
      args.push(now, ...shape, models.size);
      for (const [name, its] of models) {
        const asks = subjects.budgets.get(name) ?? [];
        args.push(asks.length, ...asks.map(({ dimension }) => LETTERS[dimension]), its.length, ...its);
      }
      const numbers = (await run.usage(args)) as number[];
      const levels = new Map<string, readonly Level[]>();
      const health = new Map<string, Health>();
      let at = 0;
      const next = () => numbers[at++]!;
      for (const [name, its] of models) {
        const asks = subjects.budgets.get(name);
        if (asks) levels.set(name, asks.map(({ dimension, limit }) => ({ dimension, limit, used: next(), resetMs: next() })));
        for (const model of its) health.set(model, { circuit: CIRCUITS[next()]!, cooldownMs: next() });
      }
      return { levels, health };
    },
  };
}

function define(client: RedisClient, scripts: Scripts): Record<ScriptName, Run> {
  const defined = SCRIPT_NAMES.map((name) => {
    client.defineCommand(`spillway_${name}`, { lua: scripts[name] });
    // ioredis reads bytes; a text made of them would only be read once more.
    const method = name === 'apply' ? 'spillway_applyBuffer' : `spillway_${name}`;
    return [name, (Reflect.get(client, method) as Run).bind(client)] as const;
  });
  return Object.fromEntries(defined) as Record<ScriptName, Run>;
}
