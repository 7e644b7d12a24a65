/** `"model": "auto"`: which group a request is for, by the task that its app names, its words, or its size. */
import type { TasksConfig } from '../config/types.ts';

export interface TaskRequest {
  /** The header x-spillway-task. */
  readonly task: string | undefined;
  /** The text of the last user message; asked for only where words decide. */
  readonly text: () => string;
  /** By estimate. */
  readonly promptTokens: number;
}

export interface Picked {
  readonly group: string;
  /** Of the rule, as in the file; undefined: the default. */
  readonly task: string | undefined;
  /** The rule's place in the file, from 0; -1: the default. */
  readonly rule: number;
  /** What decided; `unknown_task`: the app named a task of which there is no rule. */
  readonly by: 'header' | 'rule' | 'default' | 'unknown_task';
}

export type TaskPicker = (request: TaskRequest) => Picked;

/**
 * The task that the app names wins: the first of its rules whose conditions hold, else the first of its rules. A name without a
 * rule means the default: the app has said what the request is, so its words shall not make something else of it.
 * Without a name the first rule whose conditions all hold; a rule without conditions is for apps that name it.
 */
export function compileTasks({ default: group, rules }: TasksConfig): TaskPicker {
  const compiled = rules.map((rule, i) => new Rule(rule, i));
  const otherwise: Picked = { group, task: undefined, rule: -1, by: 'default' };
  const unknown: Picked = { ...otherwise, by: 'unknown_task' };
  return ({ task, text, promptTokens }) => {
    const prompt = new Prompt(text, promptTokens);
    const named = task?.trim() ?? '';
    if (named === '') return compiled.find((rule) => rule.conditional && rule.holds(prompt))?.picked ?? otherwise;
    const own = compiled.filter((rule) => rule.task === named);
    return (own.find((rule) => rule.holds(prompt)) ?? own[0])?.named ?? unknown;
  };
}

/** Of a longer text the beginning and the end are read, half each: what is wanted stands before or after what it is wanted for. */
const MOST_TEXT = 100_000;

class Prompt {
  readonly tokens: number;
  readonly #read: () => string;
  #text: string | undefined;

  constructor(read: () => string, tokens: number) {
    this.#read = read;
    this.tokens = tokens;
  }

  /** Read once, however many rules look at it. */
  get text(): string {
    return (this.#text ??= ends(this.#read()).normalize());
  }
}

function ends(text: string): string {
  return text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT / 2)}\n${text.slice(-MOST_TEXT / 2)}`;
}

class Rule {
  readonly task: string;
  readonly conditional: boolean;
  readonly picked: Picked;
  readonly named: Picked;
  readonly #words: RegExp | undefined;
  readonly #most: number;

  constructor({ task, keywords, maxPromptTokens, group }: TasksConfig['rules'][number], rule: number) {
    this.task = task;
    this.conditional = keywords !== undefined || maxPromptTokens !== undefined;
    this.picked = { group, task, rule, by: 'rule' };
    this.named = { ...this.picked, by: 'header' };
    this.#words = keywords && wholeWords(keywords);
    this.#most = maxPromptTokens ?? Infinity;
  }

  holds(prompt: Prompt): boolean {
    return prompt.tokens <= this.#most && (this.#words === undefined || this.#words.test(prompt.text));
  }
}

/** Scripts that put no spaces between words, or join endings to them: there a word is wherever its letters are. */
const UNSPACED = ['Hani', 'Hira', 'Kana', 'Hang', 'Thai', 'Laoo', 'Khmr', 'Mymr'].map((script) => String.raw`\p{scx=${script}}`).join('');
const LETTER = String.raw`[[\p{L}\p{M}\p{N}_]--[${UNSPACED}]]`;
const FIRST_IS_LETTER = new RegExp(`^${LETTER}`, 'v');
const LAST_IS_LETTER = new RegExp(`${LETTER}$`, 'v');

/**
 * A word ends where a letter has no letter beside it; where its own edge is no letter, as in c++ or .net, it ends there anyway.
 * One pass: between fixed words there is nothing to go back over. Words with equal edges stand together, so that an edge is
 * looked at once a place and not once a word.
 */
function wholeWords(keywords: readonly string[]): RegExp {
  const words = keywords.map((keyword) => keyword.normalize().trim());
  const alternatives = [true, false].flatMap((first) =>
    [true, false].flatMap((last) => {
      const alike = words.filter((word) => FIRST_IS_LETTER.test(word) === first && LAST_IS_LETTER.test(word) === last);
      return alike.length === 0 ? [] : `${first ? `(?<!${LETTER})` : ''}(?:${alike.map(pattern).join('|')})${last ? `(?!${LETTER})` : ''}`;
    }),
  );
  return new RegExp(alternatives.join('|'), 'iv');
}

/** Several words may stand apart by any space. */
function pattern(keyword: string): string {
  return keyword.split(/\s+/).map(escaped).join(String.raw`\s+`);
}

function escaped(word: string): string {
  return word.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}
