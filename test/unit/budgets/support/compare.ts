/** Sends a history to Redis, many calls under way at once, and compares with what the model answered. */
import type { Redis } from 'ioredis';
import { isDeepStrictEqual } from 'node:util';
import { createCommands, type Commands } from '../../../../src/budgets/commands.ts';
import type { Scripts } from '../../../../src/budgets/scripts.ts';
import { SUBJECTS, type History, type Turn } from './play.ts';

export interface Difference {
  /** The history: its seed. */
  readonly name: string;
  /** Operations before it. */
  readonly at: number;
  readonly turn: unknown;
  readonly expected: unknown;
  readonly answer: unknown;
}

const UNDER_WAY = 100;

/** Plays at least `operations` of a history; answers the first difference. What a script throws is an answer too. */
export async function compare(
  client: Redis,
  scripts: Scripts,
  history: History,
  name: string,
  operations = Infinity,
): Promise<Difference | null> {
  const keyPrefix = `same-${name}`;
  const commands = createCommands({ client, scripts, keyPrefix, ...history.shape });
  let isOver = false;
  while (!isOver && history.made < operations) {
    const sent: { at: number; turn: Turn; expected: unknown; answer: Promise<unknown> }[] = [];
    while (!isOver && sent.length < UNDER_WAY) {
      const at = history.made;
      const next = history.next();
      isOver = next === null;
      if (!next) break;
      const answer = send(client, commands, keyPrefix, next.turn).catch((error: unknown) => String(error));
      sent.push({ at, ...next, answer });
    }
    for (const { at, turn, expected, answer } of sent) {
      const got = await answer;
      if (!isDeepStrictEqual(got, expected)) return first({ name, at, turn, expected, answer: got });
    }
  }
  const difference = await compareState(client, history, keyPrefix, commands);
  return difference && { name, at: history.made, turn: 'the state at the end', ...difference };
}

function send(client: Redis, commands: Commands, keyPrefix: string, turn: Turn): Promise<unknown> {
  if (turn.kind === 'apply') return commands.apply(turn.ops, turn.epoch, turn.now);
  if (turn.kind === 'beat') return commands.beat(turn.pod, turn.podMs, turn.held, turn.newEpoch, turn.now);
  if (turn.kind === 'usage') return commands.usage(SUBJECTS, turn.now);
  return client.del(`{${keyPrefix}}:rsv`).then(() => undefined);
}

/** Of a batch only the operation that differs is worth reading. */
function first(difference: Difference): Difference {
  const { turn, expected, answer } = difference;
  if (!Array.isArray(expected) || !Array.isArray(answer)) return difference;
  const index = expected.findIndex((one, i) => !isDeepStrictEqual(one, answer[i]));
  const { ops, ...rest } = turn as Extract<Turn, { kind: 'apply' }>;
  return { ...difference, turn: { ...rest, op: ops[index], before: index }, expected: expected[index], answer: answer[index] };
}

/** What no answer shows at once: the books of money, how much is remembered, and sums that are what they sum up. */
async function compareState(
  client: Redis,
  play: History,
  keyPrefix: string,
  commands: Commands,
): Promise<Pick<Difference, 'expected' | 'answer'> | null> {
  const { model } = play.oracle;
  const expected: unknown[] = [play.oracle.usage(SUBJECTS, play.now), play.oracle.records, model.reservations.size];
  const answer: unknown[] = [await commands.usage(SUBJECTS, play.now)];
  const records = await client.hkeys(`{${keyPrefix}}:rsv`);
  answer.push(records.filter((id) => !id.startsWith('@')).length, await client.zcard(`{${keyPrefix}}:lease`));
  for (const [name, { purses, rings }] of model.budgets) {
    const money = await client.hgetall(`{${keyPrefix}}:m:${name}`);
    for (const [dimension, purse] of purses) {
      const letter = dimension === 'cost_day' ? 'd' : 'm';
      expected.push(purse.books);
      answer.push([money[`${letter}K`] ?? -1, money[`${letter}C`] ?? 0, money[`${letter}P`] ?? 0].map(Number));
    }
    const fields = Object.entries(await client.hgetall(`{${keyPrefix}}:u:${name}`));
    for (const dimension of rings.keys()) {
      const letter = dimension[0]!;
      const slots = fields.filter(([field]) => new RegExp(`^${letter}\\d+$`).test(field));
      expected.push(Number(fields.find(([field]) => field === `${letter}S`)?.[1] ?? 0));
      answer.push(slots.reduce((sum, [, value]) => sum + Number(value), 0));
    }
  }
  const index = expected.findIndex((one, i) => !isDeepStrictEqual(one, answer[i]));
  return index < 0 ? null : { expected: expected[index], answer: answer[index] };
}
