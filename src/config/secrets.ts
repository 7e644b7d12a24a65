/** The values behind references. They go to whoever asked and into no message. */
import { HEADER_TEXT } from './schema/http.ts';
import type { Config, SecretRef } from './types.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Says which variable or file, never what is in it. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
  readonly code = 'SECRET';
  readonly ref: SecretRef;

  constructor(ref: SecretRef, what: string) {
    super(`${'env' in ref ? `the environment variable ${ref.env}` : `the file ${ref.file}`} ${what}`);
    this.ref = ref;
  }
}

/** @param readFile reads a whole file as text; given, so that tests need no files and callers choose the disk */
export function resolveSecret(ref: SecretRef, env: Environment, readFile: (path: string) => string): string {
  return checked(ref, 'env' in ref ? fromEnv(ref, env) : fromFile(ref, readFile));
}

/** Of a key that a header carries: what editors and shells leave around it is taken off. */
export function resolveKey(ref: SecretRef, env: Environment, readFile: (path: string) => string): string {
  // This also takes off a byte order mark.
  const value = checked(ref, ('env' in ref ? fromEnv(ref, env) : fromFile(ref, readFile)).trim());
  if (!HEADER_TEXT.test(value)) throw new SecretError(ref, 'holds a character that no header can carry, such as a long dash or a curly quote: copy the key anew');
  return value;
}

function checked(ref: SecretRef, value: string): string {
  // A line break inside would end the header that carries the key.
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001F\u007F]/.test(value)) throw new SecretError(ref, 'holds a line break or another control character');
  if (value === '') throw new SecretError(ref, 'is empty');
  return value;
}

function fromEnv(ref: { env: string }, env: Environment): string {
  const value = Object.hasOwn(env, ref.env) ? env[ref.env] : undefined;
  if (value === undefined) throw new SecretError(ref, 'is not set');
  return value;
}

function fromFile(ref: { file: string }, readFile: (path: string) => string): string {
  try {
    return readFile(ref.file).replace(/\r?\n$/, '');
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    throw new SecretError(ref, code === 'ENOENT' ? 'does not exist' : `cannot be read${typeof code === 'string' ? ` (${code})` : ''}`);
  }
}

export interface MissingSecret {
  /** The keys that lead to the reference, joined with dots. */
  readonly path: string;
  readonly message: string;
}

/** Environment variables that the configuration names and that are not set. Files may still appear, so they are not looked at. */
export function checkSecrets(config: Config, env: Environment): MissingSecret[] {
  return references(config).flatMap(({ path, ref }) =>
    'env' in ref && (env[ref.env] ?? '') === '' ? [{ path, message: `the environment variable ${ref.env} is not set` }] : [],
  );
}

/** Every reference of the configuration, also for those who watch the files. */
export function references(config: Config): { readonly path: string; readonly ref: SecretRef }[] {
  const found: { path: string; ref: SecretRef }[] = [];
  const add = (path: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null) found.push({ path, ref: value as SecretRef });
  };
  for (const [name, model] of Object.entries(config.models)) add(`models.${name}.apiKey`, model.apiKey);
  for (const key of ['url', 'host', 'port', 'username', 'password'] as const) add(`redis.${key}`, config.redis?.[key]);
  add('alerts.webhook', config.alerts.webhook);
  return found;
}
