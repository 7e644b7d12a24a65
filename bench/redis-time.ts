/** What a decision costs Redis, by its own count (commandstats): one operation a call, 32 calls under way; rings are full. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connectRedis } from '../src/budgets/client.ts';
import { createCommands, type Op } from '../src/budgets/commands.ts';
import { loadScripts } from '../src/budgets/scripts.ts';
import type { Candidate } from '../src/budgets/types.ts';

const PORT = 9479;
const ROUNDS = 5;
const TURNS = 40;
const AT_ONCE = 32;
const WIDE = 1e8;
const NARROW = 100;

const server = spawn('redis-server', ['--port', String(PORT), '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
const client = await connectRedis({ host: '127.0.0.1', port: PORT });
if (client.status !== 'ready') await once(client, 'ready');
const { apply } = createCommands({ client, scripts: loadScripts(), keyPrefix: 'time', window: { stepMs: 1000, steps: 61 }, leaseMs: 30_000, recordMs: 900_000 });

const of = (name: string, limit: number): Candidate => ({
  model: name,
  budget: name,
  asks: [
    { dimension: 'requests', limit, amount: 1 },
    { dimension: 'tokens', limit: limit * 1000, amount: 700 },
  ],
});
let calls = 0;
const reserve = (candidates: readonly Candidate[]): Op => ({ kind: 'reserve', id: `r${calls++}`, candidates, enforce: true });

const start = Date.now();
for (let second = 62; second > 0; second--) {
  const ops = ['full1', 'full2'].flatMap((name) => [reserve([of(name, NARROW)]), reserve([of(name, NARROW)])]);
  await apply([...ops, reserve([of('wide', WIDE)])], '', start - second * 1000);
}

async function measure(name: string, candidates: readonly Candidate[]): Promise<void> {
  const figures: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await client.call('CONFIG', 'RESETSTAT');
    for (let turn = 0; turn < TURNS; turn++) await Promise.all(Array.from({ length: AT_ONCE }, () => apply([reserve(candidates)], '')));
    const stats = String(await client.call('INFO', 'commandstats'));
    figures.push(Number(/cmdstat_evalsha:.*?usec_per_call=([\d.]+)/.exec(stats)?.[1]));
  }
  figures.sort((a, b) => a - b);
  process.stdout.write(`${name}: best ${figures[0]!.toFixed(1)} us, median ${figures[ROUNDS >> 1]!.toFixed(1)} us\n`);
}

await measure('one candidate', [of('wide', WIDE)]);
await measure('three candidates, two full', [of('full1', NARROW), of('full2', NARROW), of('wide', WIDE)]);
client.disconnect();
server.kill();
