/** Small checks with OpenAI's words for what is wrong; each returns the refusal or nothing. */
import { refusal, type Refusal } from './errors.ts';

export type Json = Record<string, unknown>;
export type Check = (name: string, value: unknown) => Refusal | undefined;

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

export const missing = (name: string): Refusal => refusal(400, `Missing required parameter: '${name}'.`, 'missing_required_parameter', name);

export const wrongType = (name: string, wanted: string, value: unknown): Refusal =>
  refusal(400, `Invalid type for '${name}': expected ${wanted}, but got ${nameOf(value)} instead.`, 'invalid_type', name);

export const wrongValue = (name: string, value: unknown, allowed: readonly string[]): Refusal =>
  refusal(400, `Invalid value: '${String(value)}'. Supported values are: ${inWords(allowed)}.`, 'invalid_value', name);

export const emptyArray = (name: string): Refusal =>
  refusal(400, `Invalid '${name}': empty array. Expected an array with minimum length 1, but got an empty array instead.`, 'empty_array', name);

export const tooLong = (name: string, max: number, length: number): Refusal =>
  refusal(400, `Invalid '${name}': array too long. Expected an array with maximum length ${max}, but got an array with length ${length} instead.`, 'array_above_max_length', name);

/** Whole numbers ("integer") and others ("decimal") have codes of their own. */
export function inRange(kind: 'integer' | 'decimal', min: number, max: number = Infinity): Check {
  return (name, value) => {
    if (typeof value !== 'number') return wrongType(name, kind === 'integer' ? 'an integer' : 'a decimal', value);
    if (kind === 'integer' && !Number.isInteger(value)) return wrongType(name, 'an integer', value);
    if (value < min) {
      return refusal(400, `Invalid '${name}': ${kind} below minimum value. Expected a value >= ${min}, but got ${value} instead.`, `${kind}_below_min_value`, name);
    }
    return value > max
      ? refusal(400, `Invalid '${name}': ${kind} above maximum value. Expected a value <= ${max}, but got ${value} instead.`, `${kind}_above_max_value`, name)
      : undefined;
  };
}

export const text: Check = (name, value) => (typeof value === 'string' ? undefined : wrongType(name, 'a string', value));
export const flag: Check = (name, value) => (typeof value === 'boolean' ? undefined : wrongType(name, 'a boolean', value));
export const object: Check = (name, value) => (isObject(value) ? undefined : wrongType(name, 'an object', value));

export const array: Check = (name, value) => (Array.isArray(value) ? undefined : wrongType(name, 'an array', value));

export function one(allowed: readonly string[]): Check {
  return (name, value) => {
    if (typeof value !== 'string') return wrongType(name, `one of ${inWords(allowed)}`, value);
    return allowed.includes(value) ? undefined : wrongValue(name, value, allowed);
  };
}

function inWords(allowed: readonly string[]): string {
  const quoted = allowed.map((value) => `'${value}'`);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')}, and ${quoted.at(-1)}`;
}

function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'number': return Number.isInteger(value) ? 'an integer' : 'a decimal';
    case 'object': return 'an object';
    case 'undefined': return 'nothing';
    default: return `a ${typeof value}`;
  }
}

/** The first that is wrong. */
export function checkFirst(...found: (Refusal | undefined)[]): Refusal | undefined {
  return found.find((wrong) => wrong !== undefined);
}
