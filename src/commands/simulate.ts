/** `spillway simulate`: the simulated providers alone, for users' own tests. */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { parseFaultText } from '../simulator/fault-text.ts';
import { startSimulator, type FaultSpec, type SimModel, type Simulator, type SimulatorOptions } from '../simulator/server.ts';

export type SimulateIo = { stdout(text: string): void; stderr(text: string): void; signal: AbortSignal };

const HELP = `spillway simulate: providers that behave like the real ones, on this machine

  spillway simulate --port N [--host H] [--model NAME[:KEY=VALUE,...]]... [--fault KEY[=VALUE],...]... [--lenient]

  --port N      where to listen; 0 for any free port
  --host H      default 127.0.0.1
  --model       a model on offer, more than one allowed; without any, every name is known and has no limits
                  rpm=10       requests per minute
                  tpm=10000    tokens per minute, counted on arrival as the greater of max_tokens and the prompt
                  window=60s   the length of that minute
                  limiter=     token-bucket (default), fixed-minute or sliding-log
                  tokens=50    length of an answer, default 20
                  first=200ms  until the first token
                  rate=50      tokens per second, default all at once
                  context=8000 context window
  --fault       what goes wrong, with every call unless told otherwise, more than one allowed, the first that fits is used
                  model=NAME, probability=0.1, count=3, skip=2 choose the calls
                  status=503 code=insufficient_quota retryAfter=2 delayMs=100 firstTokenMs=100 tokensPerSecond=10
                  answerTokens=100 reset hang cut=40 close=40 stall=3:5000 malformed=3 errorEvent=3 noDone emptyBody
                  notJson truncatedJson contextLength contentFilter[=finish] usageMissing encoding=gzip|deflate|br|zstd
                  crlf slowBytes
  --lenient     accept unknown parameters and content types

Prompts: a user message with [[sim:status=503]] (or any other fault) gets it; one that begins with "echo:" is answered with its own text.
Control: POST, GET, DELETE /_sim/faults, GET /_sim/stats, POST /_sim/reset.
The API: http://HOST:PORT/v1, any non-empty key. One JSON line is printed when the port accepts.
`;

class UsageError extends Error {}

export async function simulate(args: string[], io: SimulateIo): Promise<number> {
  let options: SimulatorOptions | 'help';
  try {
    options = readArgs(args);
  } catch (problem) {
    io.stderr(`spillway simulate: ${messageOf(problem)}\nTry 'spillway simulate --help'.\n`);
    return 2;
  }
  if (options === 'help') {
    io.stdout(HELP);
    return 0;
  }
  let simulator: Simulator;
  try {
    simulator = await startSimulator(options);
  } catch (problem) {
    io.stderr(`spillway simulate: ${listenProblem(problem, options)}\n`);
    return 1;
  }
  io.stdout(`${JSON.stringify({ msg: 'ready', port: simulator.port, url: simulator.url })}\n`);
  if (!io.signal.aborted) await once(io.signal, 'abort');
  await simulator.close();
  return 0;
}

function readArgs(args: string[]): SimulatorOptions | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      model: { type: 'string', multiple: true, default: [] },
      fault: { type: 'string', multiple: true, default: [] },
      lenient: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.port === undefined) throw new UsageError('--port is missing');
  const models = values.model.map(readModel);
  return {
    port: readPort(values.port),
    host: values.host,
    models: models.length === 0 ? 'any' : models,
    faults: values.fault.map((text) => readFault(text, models)),
    lenient: values.lenient,
  };
}

function readPort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new UsageError(`--port must be a number from 0 to 65535, not '${text}'`);
  return port;
}

type Setting = { field: Exclude<keyof SimModel, 'name' | 'datedName' | 'limiter'>; read: (text: string) => number | undefined; wanted: string };

const COUNT: Pick<Setting, 'read' | 'wanted'> = { read: (text) => (/^\d+$/.test(text) && Number(text) > 0 ? Number(text) : undefined), wanted: 'a whole number from 1' };
const SPAN: Pick<Setting, 'read' | 'wanted'> = { read: readSpan, wanted: 'a time such as 200ms, 2s or 1m' };
const RATE: Pick<Setting, 'read' | 'wanted'> = { read: (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined), wanted: 'a number from 0' };

const SETTINGS: Record<string, Setting> = {
  rpm: { field: 'requestsPerMinute', ...COUNT },
  tpm: { field: 'tokensPerMinute', ...COUNT },
  tokens: { field: 'answerTokens', ...COUNT },
  first: { field: 'firstTokenMs', ...SPAN },
  rate: { field: 'tokensPerSecond', ...RATE },
  context: { field: 'contextWindow', ...COUNT },
  window: { field: 'windowMs', ...SPAN },
  phase: { field: 'phaseMs', ...SPAN },
};

const LIMITERS = ['token-bucket', 'fixed-minute', 'sliding-log'] as const;

/** Names may hold colons (ft:gpt-4o:org), so the settings begin at the last one that `key=` follows. */
function readModel(text: string): SimModel {
  const [, name = '', settings = ''] = /^(.*?)(?::([a-z]+=.*))?$/s.exec(text) ?? [];
  if (name === '') throw new UsageError(`--model '${text}' has no name`);
  const model: SimModel = { name };
  for (const part of settings.split(',').filter((each) => each !== '')) {
    const [key = '', value = ''] = part.split('=');
    if (key === 'limiter') {
      const limiter = LIMITERS.find((known) => known === value);
      if (limiter === undefined) throw new UsageError(`--model ${name}: limiter must be ${LIMITERS.join(', ')}, not '${value}'`);
      model.limiter = limiter;
      continue;
    }
    const setting = Object.hasOwn(SETTINGS, key) ? SETTINGS[key] : undefined;
    if (setting === undefined) throw new UsageError(`--model ${name}: unknown '${key}'; known are ${Object.keys(SETTINGS).join(', ')}, limiter`);
    const read = setting.read(value);
    if (read === undefined) throw new UsageError(`--model ${name}: ${key} must be ${setting.wanted}, not '${value}'`);
    model[setting.field] = read;
  }
  return model;
}

function readFault(text: string, models: SimModel[]): FaultSpec {
  const parsed = parseFaultText(text);
  if ('problem' in parsed) throw new UsageError(`--fault '${text}': ${parsed.problem}`);
  const { model } = parsed.spec;
  if (model !== undefined && models.length > 0 && !models.some((known) => known.name === model)) {
    throw new UsageError(`--fault '${text}': there is no --model ${model}`);
  }
  return parsed.spec;
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };

function readSpan(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * UNITS[unit]!;
}

function listenProblem(problem: unknown, { host, port }: SimulatorOptions): string {
  const code = codeOf(problem);
  if (code === 'EADDRINUSE') return `port ${port} of ${host} is in use`;
  if (code === 'EACCES') return `port ${port} of ${host} may not be opened by this user`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `'${host}' is no address of this machine`;
  return `could not listen on ${host}:${port}: ${messageOf(problem)}`;
}

function codeOf(problem: unknown): unknown {
  return typeof problem === 'object' && problem !== null && 'code' in problem ? problem.code : undefined;
}

function messageOf(problem: unknown): string {
  return typeof problem === 'object' && problem !== null && 'message' in problem ? String(problem.message) : String(problem);
}
