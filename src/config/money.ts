/** Money as it is written, in whole numbers: exact, where fractions of two are not. */

/** US dollars per million tokens in steps of which one token costs a pico-dollar (1e-12). */
export const PRICE_DECIMALS = 6;
/** US dollars in steps of a nano-dollar (1e-9). */
export const LIMIT_DECIMALS = 9;

/** A dollar a token; no model costs as much. */
export const HIGHEST_PRICE = 1_000_000;
/** 2^53 nano-dollars are a little more: budgets count exactly up to there. */
export const HIGHEST_LIMIT = 9_007_199;

/** Digits behind the point, as a person would write the number: 0.1 has one. */
export function decimalsOf(value: number): number {
  const { fraction, exponent } = parts(value);
  return Math.max(0, fraction.length - exponent);
}

/** @param value a number from 0 of at most `decimals` decimals, whose result is at most 2^53 @returns it in units of 10^-decimals, exactly */
export function inUnits(value: number, decimals: number): number {
  const { whole, fraction, exponent } = parts(value);
  const zeros = decimals + exponent - fraction.length;
  const units = zeros >= 0 ? Number(whole + fraction + '0'.repeat(zeros)) : NaN;
  if (!Number.isSafeInteger(units)) throw new RangeError(`${value} is no amount of money with ${decimals} decimals`);
  return units;
}

/** The shortest writing that means this number, which is what stood in the file. */
function parts(value: number): { whole: string; fraction: string; exponent: number } {
  const [, whole = 'none', fraction = '', exponent = '0'] = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  return { whole, fraction, exponent: Number(exponent) };
}
