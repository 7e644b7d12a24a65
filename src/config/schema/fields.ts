/** The kinds of values the configuration is made of. Each says in its own words what it expects. */
import * as z from 'zod/mini';
import { DURATION, LONGEST_MS, parseDuration } from '../../wire/duration.ts';
import { decimalsOf, HIGHEST_LIMIT, HIGHEST_PRICE, LIMIT_DECIMALS, PRICE_DECIMALS } from '../money.ts';

export type Schema = z.core.SomeType;

/** The one-line description goes with the schema, for the JSON schema and the documentation. */
export function about<S extends Schema>(schema: S, description: string): S {
  // A copy: the same kind of value stands under many keys, with a description each.
  const own = z.clone(schema as unknown as z.core.$ZodType);
  z.globalRegistry.add(own, { description });
  return own as unknown as S;
}

/** A value with a default, written as a user would write it. */
export function standard<S extends Schema>(
  schema: S,
  value: z.input<S>,
  description: string,
): z.ZodMiniPrefault<S> {
  return about(z.prefault(schema, value as never), description) as z.ZodMiniPrefault<S>;
}

export function optional<S extends Schema>(schema: S, description: string): z.ZodMiniOptional<S> {
  return about(z.optional(schema), description);
}

export const text = z.string().check(z.minLength(1, 'must not be empty'));
export const flag = z.boolean();
export const positive = z.int().check(z.positive());
export const countFromZero = z.int().check(z.nonnegative());
/** Beyond the highest, sums of weights would lose the lowest. */
export const weight = z.number().check(z.positive(), z.lte(1_000_000));
export const perMillion = z.number().check(z.nonnegative(), z.lte(HIGHEST_PRICE), decimals(PRICE_DECIMALS));
export const dollars = z.number().check(z.positive(), z.lte(HIGHEST_LIMIT), decimals(LIMIT_DECIMALS));
export const share = z.number().check(z.gte(0), z.lte(1));

/** Names go into headers, metrics, URLs and Redis keys, so only characters that mean nothing in any of them. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/;
export const NAME_WANTED = 'a name is letters, digits and . _ : / @ + -, begins with a letter or digit, and has at most 128 characters';
export const name = z.string().check(z.regex(NAME, NAME_WANTED));

/**
 * A key that is a name. For the JSON schema only: zod does not look into the value under a wrong key,
 * and every mistake is to be reported, so checks/names.ts judges the keys.
 */
export const nameKey = z.string();
z.globalRegistry.add(nameKey, { pattern: NAME.source });

/** What money is counted in has an end; what would be rounded is refused. */
function decimals(most: number): z.core.$ZodCheck<number> {
  return z.check<number>(({ value, issues }) => {
    if (decimalsOf(value) > most) issues.push({ code: 'custom', input: value, message: `must have at most ${most} decimals` });
  });
}

const DURATION_WANTED = 'expected a duration such as 250ms, 10s, 5m or 1h (at most 576h)';

const durationText = z.union([z.string().check(z.regex(DURATION, DURATION_WANTED)), z.literal(0)], DURATION_WANTED);

/** Milliseconds once parsed; undefined for what no timer could wait for, which the check below refuses. */
export const duration = z.pipe(
  z.pipe(
    durationText,
    z.transform((written: string | 0) => parseDuration(String(written)) ?? LONGEST_MS + 1),
  ),
  z.number().check(z.lte(LONGEST_MS, DURATION_WANTED)),
);

/** A time-out of nothing would fail every request. */
export const durationAboveZero = z.pipe(duration, z.number().check(z.positive('must be longer than 0')));

const ENV = z
  .string()
  .check(z.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of an environment variable: letters, digits and _'));

const fromEnv = z.strictObject({ env: about(ENV, 'The environment variable that holds it.') });
const fromFile = z.strictObject({ file: about(text, 'The file that holds it, read again when it changes.') });

const REFERENCE_WANTED = 'expected { env: NAME } or { file: PATH }';

/** Where a secret is to be found; the secret itself never stands in the configuration. */
export const reference = z.union([fromEnv, fromFile], {
  error: ({ input }) =>
    typeof input === 'string' || typeof input === 'number'
      ? 'a literal value is refused here: put it into an environment variable or a file and write { env: NAME } or { file: PATH }'
      : REFERENCE_WANTED,
});

/** Addresses are no secrets: they may stand as they are, or be a reference. */
export const textOrReference = z.union([text, fromEnv, fromFile], `expected text, ${REFERENCE_WANTED.slice(9)}`);
export const portOrReference = z.union(
  [z.int().check(z.gte(1), z.lte(65_535)), fromEnv, fromFile],
  `expected a port from 1 to 65535, ${REFERENCE_WANTED.slice(9)}`,
);

/** One definition of a section, used twice: with defaults, and without them where a group overrides the section. */
type Fields = Readonly<Record<string, { readonly schema: Schema; readonly standard: unknown; readonly about: string }>>;

export function field<S extends Schema>(
  schema: S,
  standard: z.input<S>,
  about: string,
): { schema: S; standard: z.input<S>; about: string } {
  return { schema, standard, about };
}

type Filled<F extends Fields> = { [K in keyof F]: z.ZodMiniPrefault<F[K]['schema']> };
type Bare<F extends Fields> = { [K in keyof F]: z.ZodMiniOptional<F[K]['schema']> };

export function filled<F extends Fields>(fields: F): Filled<F> {
  const entries = Object.entries(fields).map(([key, f]) => [key, standard(f.schema, f.standard as never, f.about)]);
  return Object.fromEntries(entries) as Filled<F>;
}

export function bare<F extends Fields>(fields: F): Bare<F> {
  const entries = Object.entries(fields).map(([key, f]) => [key, optional(f.schema, f.about)]);
  return Object.fromEntries(entries) as Bare<F>;
}
