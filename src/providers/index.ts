import { openai } from './openai/index.ts';
import type { Provider } from './types.ts';

/** The providers that this version can speak to, by the name in a model's `provider`. */
export function builtProviders(wallClock: () => number): ReadonlyMap<string, Provider> {
  return new Map([openai(wallClock)].map((provider) => [provider.name, provider]));
}
