/** What tokens cost, in whole nano-dollars (1e-9 US dollars), exactly: rounded once a request, and up. */
import { inUnits, LIMIT_DECIMALS, PRICE_DECIMALS } from '../config/money.ts';

/** US dollars per million tokens, as configured. */
export interface PerMillion {
  readonly input: number;
  readonly output: number;
}

/** Pico-dollars (1e-12 US dollars) a token, whole numbers. */
export interface Price {
  readonly inputPico: number;
  readonly outputPico: number;
}

const PICO_IN_NANO = 1000;

export function priceOf({ input, output }: PerMillion): Price {
  return { inputPico: inUnits(input, PRICE_DECIMALS), outputPico: inUnits(output, PRICE_DECIMALS) };
}

/** Cached input counts as input, so that the figure is never too low. */
export function costOf({ inputPico, outputPico }: Price, input: number, output: number): number {
  const a = whole(input);
  const b = whole(output);
  const pico = a * inputPico + b * outputPico;
  // Whole numbers are exact up to here, which is 9,007 dollars for one request.
  if (pico <= Number.MAX_SAFE_INTEGER) {
    const rest = pico % PICO_IN_NANO;
    return (pico - rest) / PICO_IN_NANO + (rest > 0 ? 1 : 0);
  }
  const exact = BigInt(a) * BigInt(inputPico) + BigInt(b) * BigInt(outputPico);
  return whole(Number((exact + 999n) / 1000n));
}

/** A limit in US dollars, as configured, as budgets count it. */
export function nanoDollars(dollars: number): number {
  return inUnits(dollars, LIMIT_DECIMALS);
}

/** Nano-dollars for people and for pages. */
export function dollarsOf(nano: number): number {
  return nano / 1e9;
}

/** As budgets take amounts, whatever an upstream reports. */
function whole(amount: number): number {
  return amount > 0 ? Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(amount)) : 0;
}
