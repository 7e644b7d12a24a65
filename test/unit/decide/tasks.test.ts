import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileTasks, type Picked } from '../../../src/decide/tasks.ts';
import type { TasksConfig } from '../../../src/config/types.ts';

const TASKS: TasksConfig = {
  default: 'standard',
  rules: [
    { task: 'coding', keywords: ['code', 'pull request', 'refactor'], group: 'coder' },
    { task: 'fast-cheap', maxPromptTokens: 60, group: 'small' },
    { task: 'summary', keywords: ['summarise'], maxPromptTokens: 2000, group: 'middle' },
    { task: 'named-only', group: 'special' },
    { task: 'coding', maxPromptTokens: 500, group: 'coder-small' },
  ],
};

function pick(tasks: TasksConfig, text: string, promptTokens = 5000, task?: string): Picked {
  return compileTasks(tasks)({ task, text: () => text, promptTokens });
}

describe('without a task of the app', () => {
  test.each([
    ['Write code, please', 5000, 'coder', 0],
    ['hello', 60, 'small', 1],
    ['hello', 61, 'coder-small', 4],
    ['hello', 501, 'standard', -1],
    // The order of the file decides.
    ['code', 10, 'coder', 0],
    ['Summarise this', 1999, 'middle', 2],
    // Both conditions of a rule must hold.
    ['Summarise this', 2001, 'standard', -1],
    ['', 5000, 'standard', -1],
  ])('%j of %d tokens goes to %s', (text, tokens, group, rule) => expect(pick(TASKS, text, tokens)).toMatchObject({ group, rule, by: rule < 0 ? 'default' : 'rule' }));
});

describe('with a task of the app', () => {
  test('it wins over words and size', () => expect(pick(TASKS, 'code', 10, 'summary')).toEqual({ group: 'middle', task: 'summary', rule: 2, by: 'header' }));
  test('a rule without conditions is for it alone', () => {
    expect(pick(TASKS, 'named-only')).toMatchObject({ group: 'standard' });
    expect(pick(TASKS, '', 5000, ' named-only ')).toMatchObject({ group: 'special', by: 'header' });
  });
  test('of several rules of the task the first that holds, else the first', () => {
    expect(pick(TASKS, '', 400, 'coding')).toMatchObject({ group: 'coder-small', rule: 4 });
    expect(pick(TASKS, 'my code', 400, 'coding')).toMatchObject({ group: 'coder', rule: 0 });
    expect(pick(TASKS, '', 4000, 'coding')).toMatchObject({ group: 'coder', rule: 0 });
  });
  test('one without a rule means the default, whatever the words', () => {
    for (const task of ['translation', 'Coding', 'constructor']) expect(pick(TASKS, 'code', 10, task)).toEqual({ group: 'standard', task: undefined, rule: -1, by: 'unknown_task' });
  });
  test('an empty one is none', () => expect(pick(TASKS, 'code', 5000, ' ')).toMatchObject({ group: 'coder', by: 'rule' }));
});

test('the text is asked for once, and only where words decide', () => {
  let asked = 0;
  const text = (): string => (asked++, 'nothing of it');
  const picker = compileTasks(TASKS);
  picker({ task: 'named-only', text, promptTokens: 5000 });
  compileTasks({ default: 'd', rules: [{ task: 's', maxPromptTokens: 5, group: 'g' }] })({ task: undefined, text, promptTokens: 9 });
  expect(asked).toBe(0);
  picker({ task: undefined, text, promptTokens: 1000 });
  expect(asked).toBe(1);
});

describe('keywords', () => {
  const fits = (keyword: string, text: string): boolean => pick({ default: 'd', rules: [{ task: 't', keywords: [keyword], group: 'g' }] }, text).group === 'g';

  test.each([
    ['code', 'CODE'],
    ['code', 'some code.'],
    ['code', '(code)'],
    ['code', '"code"'],
    ['code', 'pre-code'],
    ['pull request', 'a Pull\n  Request'],
    ['Straße', 'die STRAßE dort'],
    ['café', 'un cafe\u0301, s’il vous plaît'],
    ['ΣΥΝΟΛΟ', 'το σύνολο'.normalize('NFD').replaceAll(/\p{M}/gu, '')],
    ['c++', 'in C++11'],
    ['.net', 'asp.net core'],
    ['#', 'a # b'],
    ['代码', '请写代码吧'],
    ['code', '请写code吧'],
    ['コード', 'このコードを直して'],
    ['코드', '코드를 고쳐줘'],
    ['โค้ด', 'เขียนโค้ดให้หน่อย'],
    ['a|b', 'x a|b y'],
    ['$&', 'cost $& more'],
  ])('%j is found in %j', (keyword, text) => expect(fits(keyword, text)).toBe(true));

  test.each([
    ['code', 'decode'],
    ['code', 'codes'],
    ['code', 'code_base'],
    ['code', 'code2'],
    ['über', 'überall'],
    ['cafe', 'café'],
    ['ber', 'über'],
    ['pull request', 'pullrequest'],
    ['c.de', 'code'],
    ['(a+)+$', 'aaaa'],
    ['код', 'кодек'],
  ])('%j is not in %j', (keyword, text) => expect(fits(keyword, text)).toBe(false));

  test('whatever it is, it is found between spaces, and in itself', () => {
    const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((one) => /\S/.test(one));
    fc.assert(
      fc.property(word, word, (keyword, other) => {
        expect(fits(keyword, keyword)).toBe(true);
        expect(fits(keyword, `x ${keyword} y`)).toBe(true);
        // Any other keyword beside it changes nothing.
        expect(pick({ default: 'd', rules: [{ task: 't', keywords: [other, keyword], group: 'g' }] }, ` ${keyword} `).group).toBe('g');
      }),
      { numRuns: 300 },
    );
  });

  test('of a very long text the beginning and the end count', () => {
    const long = 'word '.repeat(100_000);
    expect(fits('code', `code ${long}`)).toBe(true);
    expect(fits('code', `${long} code`)).toBe(true);
    expect(fits('code', `${long} code ${long}`)).toBe(false);
  });

  test('no text takes long: 100 KB of anything, against many words', () => {
    const keywords = [...Array.from({ length: 50 }, (_, i) => `word${i} of many`), 'a a a a a b', 'aaaaaaaaab', '((a*)*)*b'];
    const picker = compileTasks({ default: 'd', rules: Array.from({ length: 10 }, (_, i) => ({ task: `t${i}`, keywords, group: 'g' })) });
    const texts = ['a', 'a ', ' ', 'word1 of ', 'ä', '今日', 'word1' + ' '.repeat(1000), '\u0301'];
    const begun = process.cpuUsage();
    for (const one of texts) picker({ task: undefined, text: () => one.repeat(Math.ceil(100_000 / one.length)), promptTokens: 1 });
    const { user } = process.cpuUsage(begun);
    // 80 searches of a few ms each; what goes back and forth would take minutes.
    expect(user / 1e6).toBeLessThan(10);
  });
});
