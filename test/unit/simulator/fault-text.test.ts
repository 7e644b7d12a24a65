import { describe, expect, test } from '@jest/globals';
import { directivesIn, parseFault, parseFaultText } from '../../../src/simulator/fault-text.ts';
import { createFaults } from '../../../src/simulator/faults.ts';
import { seeded } from '../../../src/simulator/random.ts';

describe('faults as text', () => {
  test.each([
    ['status=503,probability=0.1', { status: 503, probability: 0.1 }],
    ['hang', { hang: true }],
    ['stall=3:500', { stall: { after: 3, ms: 500 } }],
    ['contentFilter', { contentFilter: 'error' }],
    ['contentFilter=finish', { contentFilter: 'finish' }],
    ['status=429, code=insufficient_quota, retryAfter=2.5', { status: 429, code: 'insufficient_quota', retryAfter: 2.5 }],
    ['cut=0,model=ft:a:b', { cut: 0, model: 'ft:a:b' }],
  ])('%s', (text, spec) => {
    expect(parseFaultText(text)).toEqual({ spec });
  });

  test.each([
    ['', 'empty fault'],
    ['statu=3', "unknown fault 'statu'"],
    ['status=999', "'status' must be a status from 200 to 599"],
    ['cut', "'cut' must be a whole number"],
    ['probability=2', "'probability' must be a number from 0 to 1"],
    ['stall=3', "'stall' must be AFTER:MS"],
    ['encoding=lzma', "'encoding' must be gzip"],
    ['toString=1', "unknown fault 'toString'"],
  ])('%s is refused', (text, problem) => {
    expect(parseFaultText(text)).toEqual({ problem: expect.stringContaining(problem) });
  });

  test('JSON may say for ever', () => {
    expect(parseFault({ status: 500, count: 'forever' })).toEqual({ spec: { status: 500, count: Infinity } });
    expect(parseFault([1])).toEqual({ problem: 'a fault is a JSON object' });
  });

  test('directives are taken out of the prompt', () => {
    expect(directivesIn('a [[sim:status=503]][[sim:delayMs=5]] b [[sim:nonsense]]')).toEqual({ fault: { status: 503, delayMs: 5 }, rest: 'a  b ' });
    expect(directivesIn('plain')).toEqual({ fault: undefined, rest: 'plain' });
  });
});

describe('the queue', () => {
  test('is used in order, per model, as often as asked', () => {
    const { queue, take } = createFaults([{ status: 504 }], seeded(1));
    queue.add({ status: 500, model: 'a' });
    const twice = queue.add({ status: 502, count: 2, skip: 1 });
    expect(['a', 'b', 'b', 'b', 'b'].map((model) => take(model).status)).toEqual([500, 504, 502, 502, 504]);
    expect(twice).toMatchObject({ used: 2, left: 0 });
    queue.clear();
    expect(queue.list()).toHaveLength(1);
  });

  test('applies by chance with the generator that is handed in', () => {
    const draws = [0.05, 0.5, 0.09];
    const { queue, take } = createFaults([], () => draws.shift()!);
    queue.add({ hang: true, probability: 0.1 });
    expect([take('m').hang, take('m').hang, take('m').hang]).toEqual([true, undefined, true]);
  });
});
