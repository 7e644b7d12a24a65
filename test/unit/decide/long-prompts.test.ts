import { expect, test } from '@jest/globals';
import { fitted, type Windowed } from '../../../src/decide/long-prompts.ts';

interface Model extends Windowed {
  readonly name: string;
}

const model = (name: string, contextWindow?: number): Model => ({ name, contextWindow });
const small = model('small', 1000);
const middle = model('middle', 2000);
const large = model('large', 9000);
const any = model('any');
const tiny = model('tiny', 10);

const road = (tokens: number, own: Model[], fallback: Model[], forLong: Model[] = []): string => {
  const { tried, tooSmall, instead } = fitted(tokens, { own, fallback, forLong });
  return `${tried.map(({ name }) => name).join(' ')} | ${tooSmall.map(({ name }) => name).join(' ')}${instead ? ' | instead' : ''}`;
};

test.each([
  ['what fits goes the usual way', 1000, [small], [middle], [large], 'small middle | '],
  ['what does not goes to the other fallback, unsent', 1001, [small], [middle], [large], 'large | small | instead'],
  ['also where the fallback would hold it', 1500, [small], [large], [any], 'any | small | instead'],
  ['own models that hold it come first', 1500, [small, middle], [tiny], [large], 'middle large | small | instead'],
  ['own models that hold it are enough, without another fallback', 1500, [small, middle], [any], [], 'middle any | small'],
  ['without another fallback it is sent: the upstream counts better than an estimate', 1500, [small], [any], [], 'small any | '],
  ['so it is where the other fallback is too small, too', 9999, [small], [any], [middle, large], 'small | middle large | instead'],
  ['a fallback that is too small is passed over', 500, [small], [tiny, large], [], 'small large | tiny'],
  ['a model without a window takes everything', 1e9, [any], [any], [], 'any any | '],
])('%s', (_, tokens, own, fallback, forLong, wanted) => expect(road(tokens, own, fallback, forLong)).toBe(wanted));
