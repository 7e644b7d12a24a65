/**
 * `npm run test:real`: what only true minutes show, with the program and the window of production. About five minutes.
 * Writes docs/test-real.md; exit 1 if a row failed.
 */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { startSimulator, type SimCall, type Simulator } from '../../src/simulator/server.ts';
import { worstWindow } from '../../src/simulator/worst-window.ts';
import { messageOf } from '../../src/wire/record.ts';
import { WINDOW, window } from '../../src/wire/window.ts';
import { chat, closeConnections, failures, load, statusOf, until, type Answer } from '../chaos/client.ts';
import { endPod } from '../chaos/failures/killed.ts';
import { arrivals, configText, directory, envFor, tokensOf, type Described, type Directory } from '../chaos/setup.ts';
import { killAll, startSidecar, type SidecarProcess } from '../support/processes.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';

const REPORT = new URL('../../docs/test-real.md', import.meta.url);
const COMMAND = 'npm run test:real';

interface Row {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly passed: boolean;
}

const rows: Row[] = [];

function row(what: string, wanted: string, measured: string | number, passed: boolean): void {
  rows.push({ what, wanted, measured: String(measured), passed });
  process.stdout.write(`${passed ? 'passed' : 'FAILED'}  ${what}: ${measured} (wanted: ${wanted})\n`);
}

/** The product's default. A machine that does other work too makes pods decide by shares for moments; the limits must hold all the same. */
const REDIS_TIMEOUT = process.env['SPILLWAY_REAL_REDIS_TIMEOUT'] ?? '50ms';

/** Prompt 100 tokens as the simulator counts them, answer 900, as many as `max_tokens`: 1,000 reserved and 1,000 used. */
const PROMPT = 'four'.repeat(100);
const ANSWER = 900;
const SHORT_ANSWER = 50;

/** The three limits of the seed's LiteLLM configuration; its names too, behind simulated providers in OpenAI's dialect. */
const SEED = { requestsPerMinute: 10, tokensPerMinute: 10_000 };
const SEED_FALLBACK = { requestsPerMinute: 1_800, tokensPerMinute: 3_600_000 };
const REQUESTS = 600;
const TOKENS = 600_000;

interface Stage {
  readonly simulator: Simulator;
  readonly redis: RedisServer;
  readonly pods: readonly SidecarProcess[];
  readonly files: Directory;
}

async function withStage(count: number, simulator: Simulator, described: (url: string) => Described, act: (stage: Stage) => Promise<void>): Promise<void> {
  const redis = await startRedis();
  const files = await directory();
  try {
    const config = await files.write('spillway.yaml', configText({ ...described(simulator.url), redis: { url: redis.url, timeout: REDIS_TIMEOUT } }));
    const pods = await Promise.all(Array.from({ length: count }, () => startSidecar({ config, env: envFor(redis) })));
    await act({ simulator, redis, pods, files });
  } finally {
    await killAll();
    closeConnections();
    await Promise.all([simulator.close(), redis.stop(), files.remove()]);
  }
}

const callsOf = ({ simulator }: Stage, model: string): SimCall[] => simulator.log.filter((call) => call.model === model);
const isPrimary = ({ headers }: Answer): boolean => headers['x-spillway-fallback'] === 'false' && headers['x-spillway-reason'] === undefined;
const isDiverted = ({ headers }: Answer): boolean => headers['x-spillway-fallback'] === 'true' && headers['x-spillway-reason'] === 'budget_requests';
/** When, and why, a pod decided without Redis. */
const degraded = ({ pods }: Stage): string[] => pods.flatMap((pod) => pod.logs()).filter((line) => line['msg'] === 'redis').map((line) => JSON.stringify(line));

async function seed(): Promise<void> {
  const primary = 'dev-claude';
  const fallback = 'bed-claude-4.5-haiku';
  const simulator = await startSimulator({
    models: [
      { name: primary, ...SEED, limiter: 'sliding-log', answerTokens: SHORT_ANSWER },
      { name: fallback, answerTokens: SHORT_ANSWER },
    ],
  });
  const described = (url: string): Described => ({
    models: { [primary]: { url, limits: SEED }, [fallback]: { url, limits: SEED_FALLBACK } },
    groups: { 'dev-claude-with-fallback': { models: [primary], fallback: [fallback] } },
  });
  await withStage(3, simulator, described, async (stage) => {
    const ask = (pod: SidecarProcess) => chat(pod.url, { model: 'dev-claude-with-fallback', prompt: PROMPT, maxTokens: SHORT_ANSWER });
    const what = '40 requests in 10 s over 3 processes';
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await pause(i * 250);
        return ask(stage.pods[i % 3]!);
      }),
    );
    row(`${what}: answered 200`, '40', 40 - failures(answers).length, failures(answers).length === 0);
    row(`${what}: reached the primary`, '10', callsOf(stage, primary).length, callsOf(stage, primary).length === 10);
    row(`${what}: headers of the primary's answers right`, '10', answers.filter(isPrimary).length, answers.filter(isPrimary).length === 10);
    row(`${what}: headers of the diverted answers right`, '30', answers.filter(isDiverted).length, answers.filter(isDiverted).length === 30);
    await until('the window is over', async () => (await statusOf(stage.pods[0]!.admin)).models[primary]!.budgets['requests']!.used === 0, 90_000);
    const again = await Promise.all(stage.pods.map(ask));
    row(`${what}: after the window, served by the primary`, '3 of 3', `${again.filter(isPrimary).length} of 3`, again.every(isPrimary));
    judgeWindow(stage, what, primary, 'calls', SEED.requestsPerMinute);
    judgeWindow(stage, what, primary, 'tokens', SEED.tokensPerMinute);
  });
}

function judgeWindow(stage: Stage, what: string, model: string, of: 'calls' | 'tokens', limit: number): void {
  const worst = worstWindow(arrivals(callsOf(stage, model)), WINDOW.lengthMs)[of];
  row(`${what}: ${of === 'calls' ? 'requests' : 'reserved tokens'} in the worst 60 s`, `<= ${number(limit)}`, number(worst), worst <= limit && worst > 0);
}

const TURNS = 3;
const SHAPE = window();
/** One turn of the ring: what was taken in a second is free again when so many have passed. */
const TURN_MS = (SHAPE.steps + 1) * SHAPE.stepMs;

async function saturated(): Promise<void> {
  const [byRequests, byTokens] = ['by-requests', 'by-tokens'];
  const simulator = await startSimulator({
    models: [
      { name: byRequests, requestsPerMinute: REQUESTS, limiter: 'sliding-log', answerTokens: ANSWER },
      { name: byTokens, tokensPerMinute: TOKENS, limiter: 'sliding-log', answerTokens: ANSWER },
      { name: 'fallback', answerTokens: ANSWER },
    ],
  });
  const described = (url: string): Described => ({
    models: { [byRequests]: { url, limits: { requestsPerMinute: REQUESTS } }, [byTokens]: { url, limits: { tokensPerMinute: TOKENS } }, fallback: { url } },
    groups: Object.fromEntries([byRequests, byTokens].map((model) => [`group-${model}`, { models: [model], fallback: ['fallback'] }])),
  });
  await withStage(2, simulator, described, async (stage) => {
    const running = load(stage.pods.map(({ url }) => url), 4, 30, (nth) => ({ model: `group-${nth % 2 === 0 ? byRequests : byTokens}`, prompt: PROMPT, maxTokens: ANSWER }));
    await pause(TURNS * TURN_MS + 3 * SHAPE.stepMs);
    const answers = await running.stop();
    const what = 'two processes, saturating load';
    row(`${what}: requests sent, and failed`, '0 failed', `${number(answers.length)} sent, ${failures(answers).length} failed`, failures(answers).length === 0 && answers.length > 5_000);
    for (const [model, of, limit] of [[byRequests, 'calls', REQUESTS], [byTokens, 'tokens', TOKENS]] as const) {
      const bound = `${what}, bound by ${of === 'calls' ? 'requests' : 'tokens'}`;
      judgeWindow(stage, bound, model, of, limit);
      const share = use(callsOf(stage, model), of, limit);
      row(`${bound}: use of the budget`, '>= 95.0 %', `${(share * 100).toFixed(2)} %`, share >= 0.95);
      const refused = callsOf(stage, model).filter(({ status }) => status === 429).length;
      row(`${bound}: refused by the provider, which counts 60 s itself`, '0', refused, refused === 0);
    }
    const without = degraded(stage);
    row(`${what}: changes between Redis and shares`, '0', without.length, without.length === 0);
    for (const line of without) process.stdout.write(`${line}\n`);
  });
}

async function podKilled(): Promise<void> {
  const { freeMs, places } = await endPod('SIGKILL');
  row(`a pod killed with ${places} streams open: its places are free`, '<= 60 s', `${(freeMs / 1_000).toFixed(1)} s`, freeMs <= 60_000);
}

/** Admitted / (limit x elapsed minutes), over whole turns of the ring from the second of the first call on. */
function use(calls: readonly SimCall[], of: 'calls' | 'tokens', limit: number): number {
  const first = Math.floor(calls[0]!.at / SHAPE.stepMs) * SHAPE.stepMs;
  const inside = calls.filter(({ at }) => at < first + TURNS * TURN_MS);
  const admitted = of === 'calls' ? inside.length : inside.reduce((sum, call) => sum + tokensOf(call), 0);
  return admitted / ((limit * TURNS * TURN_MS) / 60_000);
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function report(began: Date): string {
  const seconds = Math.round((Date.now() - began.getTime()) / 1000);
  const redis = /v=(\S+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 'unknown';
  const failed = rows.filter(({ passed }) => !passed).length;
  return `# Tests in true minutes

Written by \`${COMMAND}\`; do not edit. ${began.toISOString().slice(0, 16).replace('T', ' ')} UTC, ${seconds} s, Node ${process.versions.node}, Redis ${redis}, ${availableParallelism()} CPUs.

| what | wanted | measured | |
|---|---|---|---|
${rows.map(({ what, wanted, measured, passed }) => `| ${what} | ${wanted} | ${measured} | ${passed ? 'passed' : '**failed**'} |`).join('\n')}

${rows.length - failed} passed, ${failed} failed.

## How it is measured
- The sidecars are separate processes of the true program, with the window of production (${SHAPE.steps} s and the current one, decisions/0002-window-slack.md); they share one Redis, whose \`timeout\` is ${REDIS_TIMEOUT}. The providers are simulated, on the same machine.
- *Worst 60 s*: the provider's own log of arrivals, every half-open span of 60 s.
- *Reserved tokens* of a call: its prompt and its \`max_tokens\` as the provider counts them. Answers are as long as \`max_tokens\` allows: ${number(100 + ANSWER)} a call under saturating load, which is also what Spillway charges once it knows the usage (until then a little more: its estimate of the prompt).
- *Use of the budget*: admitted / (limit x elapsed minutes), elapsed being ${TURNS} turns of the ring (${TURNS} x ${TURN_MS / 1000} s) from the second of the first call on. A limit can be used once a turn: at most 60/${TURN_MS / 1000} = ${(6_000_000 / TURN_MS).toFixed(2)} %.
- *Refused by the provider*: the simulated provider enforces the same limit over a sliding log of exactly 60 s of its own.
`;
}

const began = new Date();
for (const act of [seed, saturated, podKilled]) {
  await act().catch((error: unknown) => row(`${act.name}: to its end`, 'no error', messageOf(error), false));
}
await writeFile(REPORT, report(began));
const failed = rows.filter(({ passed }) => !passed).length;
process.stdout.write(`${rows.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
