/** `spillway serve`: the sidecar, until SIGTERM. */
import { parseArgs } from 'node:util';
import { once } from 'node:events';
import { SecretError } from '../config/secrets.ts';
import { CannotWatch, configMapSource, parseConfigMapName, SourceClosed, watchedBeside, type ApiOptions, type ConfigMapName } from '../config/sources/configmap.ts';
import { watchFile } from '../config/sources/file.ts';
import { ConfigRefused } from '../server/config-keeper.ts';
import { createLog, LOG_LEVELS } from '../telemetry/log.ts';
import { logDestination } from '../telemetry/log-destination.ts';
import { whyNeverUpdated } from '../kubernetes/sub-path.ts';
import { formatAddress, parseAddress, type Address } from '../wire/address.ts';
import { parseByteSize } from '../wire/byte-size.ts';
import { parseDuration } from '../wire/duration.ts';
import { codeOf, messageOf } from '../wire/record.ts';
import { WINDOW, window } from '../wire/window.ts';
import { UsageError, type Io } from './command.ts';
import { CannotListen } from './listen.ts';
import { startSidecar, type ConfigSource, type SidecarOptions } from './sidecar.ts';

export const SERVE_HELP = `usage: spillway serve --config SOURCE [options]

The sidecar: serves apps on localhost:4000, watches its configuration, and shares budgets through Redis if one is configured.

  --config SOURCE       the configuration: a file, or configmap:NAMESPACE/NAME[/KEY] (SPILLWAY_CONFIG)
  --watch CONFIGMAP     configmap:NAMESPACE/NAME[/KEY] beside a mounted file: the file starts it, the API brings edits at once (SPILLWAY_WATCH)
  --listen HOST:PORT    the apps' port; by default 127.0.0.1:4000 and [::1]:4000 (SPILLWAY_LISTEN)
  --admin HOST:PORT     probes, metrics and status; by default [::]:4001, else 0.0.0.0:4001 (SPILLWAY_ADMIN)
  --buffer SIZE         bytes held for all requests together, 64MB by default (SPILLWAY_BUFFER)
  --grace DURATION      how long running requests may finish after SIGTERM, 25s by default (SPILLWAY_GRACE)
  --log-level LEVEL     ${LOG_LEVELS.join(', ')}; info by default (SPILLWAY_LOG_LEVEL)
  --help                this text
`;

const BODY_BYTES = 32 * 1024 * 1024;
const BODY_IDLE_MS = 30_000;
const LAST_LINES_MS = 1_000;

/** `window` is given by tests that cannot wait for a minute. */
export async function serve(args: string[], io: Io, shape = window(), maxAgeMs: number = WINDOW.maxAgeMs): Promise<number> {
  const options = parse(args, io);
  if (options === undefined) {
    io.stdout(SERVE_HELP);
    return 0;
  }
  const destination = logDestination(io.log);
  const log = createLog(options.logLevel, destination);
  io.onWarning((warning) => log[warning.name === 'DeprecationWarning' ? 'debug' : 'warn']({ warning: warning.name }, warning.message));
  const { path, listen, admin, bufferBytes } = options;
  const source = sourceOf(options, { env: io.env, log });
  // It may wait for its first text for as long as the API server is away.
  io.signal.addEventListener('abort', () => void (source.state !== undefined && source.close()));
  if (source.name === path) void whyNeverUpdated(path).then((why) => why !== undefined && log.warn({ file: path }, why));
  try {
    const sidecar = await startSidecar({
      listen,
      admin,
      bufferBytes,
      log,
      env: io.env,
      window: shape,
      maxAgeMs,
      source,
      bodyBytes: BODY_BYTES,
      bodyIdleMs: BODY_IDLE_MS,
    });
    io.onUncaught((err) => log.error({ err }, 'an error inside the sidecar reached nobody who could handle it; it goes on: please report this'));
    log.info({ listen: sidecar.listen.map(formatAddress), admin: formatAddress(sidecar.admin) }, 'ready');
    if (!io.signal.aborted) await once(io.signal, 'abort');
    log.info('stopping: no new requests, running ones finish');
    await sidecar.close(options.graceMs);
    log.info('stopped');
    return 0;
  } catch (error) {
    if (error instanceof SourceClosed) return 0;
    return failed(error, path, io);
  } finally {
    await destination.finished(LAST_LINES_MS);
  }
}

function failed(error: unknown, path: string, io: Io): number {
  if (error instanceof ConfigRefused) io.stderr(`${error.message}\n`);
  else if (error instanceof CannotListen || error instanceof CannotWatch || error instanceof SecretError) io.stderr(`spillway serve: ${error.message}\n`);
  else if (isFileError(error)) io.stderr(`spillway serve: ${pathOf(error) ?? path} cannot be read: ${messageOf(error)}\n`);
  else throw error;
  return 1;
}

/** Codes of the system, such as ENOENT; Node's own (ERR_...) say nothing about a file. */
function isFileError(error: unknown): boolean {
  return /^E[A-Z0-9]+$/.test(codeOf(error) ?? '');
}

/** Of a file that could not be read: it may also be one that the configuration names. */
function pathOf(error: unknown): string | undefined {
  const path = (error as { readonly path?: unknown }).path;
  return typeof path === 'string' ? path : undefined;
}

/** The file, and its edits. */
export function fileSource(path: string): ConfigSource {
  let watching: { close(): void } | undefined;
  return {
    name: path,
    open: (onText, onError) =>
      new Promise((resolve, reject) => {
        const first = (act: () => void): void => {
          try {
            act();
            resolve();
          } catch (error) {
            watching?.close();
            reject(error as Error);
          }
        };
        watching = watchFile(path, { onText: (text) => first(() => onText(text)), onError: (error) => first(() => onError(error)) });
      }),
    close: () => watching?.close(),
  };
}

function sourceOf({ path, from, watch }: ServeOptions, api: ApiOptions): ConfigSource {
  if (from !== undefined) return configMapSource(from, api);
  return watch === undefined ? fileSource(path) : watchedBeside(fileSource(path), watch, api);
}

interface ServeOptions extends Pick<SidecarOptions, 'listen' | 'admin' | 'bufferBytes'> {
  readonly path: string;
  /** The path, if it names a ConfigMap. */
  readonly from: ConfigMapName | undefined;
  readonly watch: ConfigMapName | undefined;
  readonly graceMs: number;
  readonly logLevel: string;
}

function parse(args: string[], { env }: Io): ServeOptions | undefined {
  const options = { config: { type: 'string' }, watch: { type: 'string' }, listen: { type: 'string' }, admin: { type: 'string' }, buffer: { type: 'string' }, grace: { type: 'string' }, 'log-level': { type: 'string' }, help: { type: 'boolean' } } as const;
  const { values } = readArgs(() => parseArgs({ args, options }));
  if (values.help) return undefined;
  const path = values.config ?? env['SPILLWAY_CONFIG'];
  if (path === undefined || path === '') throw new UsageError('name the configuration: --config FILE (or SPILLWAY_CONFIG)');
  const from = path.startsWith('configmap:') ? configMap('--config', path) : undefined;
  const watched = values.watch ?? env['SPILLWAY_WATCH'] ?? '';
  if (from !== undefined && watched !== '') throw new UsageError('--watch goes beside a file: --config already reads from the API server');
  const listen = values.listen ?? env['SPILLWAY_LISTEN'];
  const admin = values.admin ?? env['SPILLWAY_ADMIN'];
  const logLevel = values['log-level'] ?? env['SPILLWAY_LOG_LEVEL'] ?? 'info';
  if (!LOG_LEVELS.includes(logLevel)) throw new UsageError(`--log-level ${logLevel}: expected one of ${LOG_LEVELS.join(', ')}`);
  return {
    path,
    from,
    watch: watched === '' ? undefined : configMap('--watch', watched),
    listen: listen === undefined ? DEFAULT_LISTEN : listen.split(',').map((one) => address('--listen', one)),
    admin: admin === undefined ? DEFAULT_ADMIN : [address('--admin', admin)],
    bufferBytes: parsed('--buffer', values.buffer ?? env['SPILLWAY_BUFFER'] ?? '64MB', parseByteSize, 'a size like 64MB'),
    graceMs: parsed('--grace', values.grace ?? env['SPILLWAY_GRACE'] ?? '25s', parseDuration, 'a duration like 25s'),
    logLevel,
  };
}

const DEFAULT_LISTEN = [
  { host: '127.0.0.1', port: 4000 },
  { host: '::1', port: 4000, optional: true },
];
const DEFAULT_ADMIN = [
  { host: '::', port: 4001 },
  { host: '0.0.0.0', port: 4001 },
];

function configMap(flag: string, text: string): ConfigMapName {
  return parsed(flag, text, parseConfigMapName, 'configmap:NAMESPACE/NAME, or configmap:NAMESPACE/NAME/KEY');
}

function address(flag: string, text: string): Address {
  return parsed(flag, text.trim(), parseAddress, 'HOST:PORT, such as 127.0.0.1:4000');
}

function parsed<T>(flag: string, text: string, parse: (text: string) => T | null | undefined, expected: string): T {
  const value = parse(text);
  if (value === undefined || value === null) throw new UsageError(`${flag} ${text}: expected ${expected}`);
  return value;
}

/** Node's own parser throws TypeErrors whose messages are meant for people. */
export function readArgs<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (codeOf(error)?.startsWith('ERR_PARSE_ARGS')) throw new UsageError(messageOf(error));
    throw error;
  }
}

