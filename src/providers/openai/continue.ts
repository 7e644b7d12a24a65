/**
 * A request for a model that is to go on from what another has written before it broke off: the app's own bytes, with the text
 * so far put in. A second request of our own, so it may differ from the caller's.
 */
import type { JsonScanner, Span } from '../../wire/json-scan.ts';
import { isRecord, parseJson } from '../../wire/record.ts';
import type { ContinueBy, Operation, SoFar } from '../types.ts';
import { splice, textAt, wholeNumber, type Edit } from './spans.ts';

export const INSTRUCTION =
  'Your answer was cut off. Go on from exactly where it stopped: begin with the very next character, also if that is a space, a line break or the rest of a word. Repeat nothing of it, and write nothing about it: what you write is put directly behind it.';

const QUOTE = 0x22;
const LIST = 0x5b;
/** Of each of them the caller's figure is for the whole answer. */
const MAXIMA = ['max_tokens', 'max_completion_tokens'];
/** What the scanner of these functions looks for. */
export const CONTINUE_MEMBERS = ['messages', 'prompt', 'response_format', 'logprobs', 'echo', ...MAXIMA];

/** Whether the request's answer is one plain text: a model that starts in the middle of JSON, or is to give the odds of each token, cannot. */
export function canContinue(scanner: JsonScanner, operation: Operation, body: Buffer): boolean {
  if (!scanner.scan(body)) return false;
  const unset = (name: string): boolean => ['null', 'false', undefined].includes(textAt(body, scanner.span(name)));
  if (!unset('logprobs') || !unset('echo')) return false;
  const format = parseJson(textAt(body, scanner.span('response_format')) ?? 'null');
  if (isRecord(format) && format['type'] !== 'text') return false;
  const place = scanner.span(operation === 'chat' ? 'messages' : 'prompt');
  return place !== undefined && body[place.start] === (operation === 'chat' ? LIST : QUOTE);
}

/** Only for a request that `canContinue`. */
export function continuedBody(scanner: JsonScanner, operation: Operation, body: Buffer, { text, tokens }: SoFar, by: ContinueBy): Buffer {
  scanner.scan(body);
  const edits: Edit[] = [];
  for (const name of MAXIMA) {
    const span = scanner.span(name);
    const most = wholeNumber(body, span);
    if (most !== undefined) edits.push({ ...span!, text: String(Math.max(1, most - tokens)) });
  }
  // Without text (only thoughts came) it is the same request again.
  if (text !== '') edits.push(operation === 'chat' ? inMessages(body, scanner.span('messages')!, text, by) : inPrompt(scanner.span('prompt')!, text));
  return splice(body, edits);
}

function inPrompt({ end }: Span, text: string): Edit {
  return { start: end - 1, end: end - 1, text: JSON.stringify(text).slice(1, -1) };
}

function inMessages(body: Buffer, span: Span, text: string, by: ContinueBy): Edit {
  const messages = parseJson(textAt(body, span)!) as unknown[];
  const last = messages.at(-1);
  const question = { role: 'user', content: INSTRUCTION };
  // The caller's own beginning of the answer: the text goes on from it, in one message.
  if (isRecord(last) && last['role'] === 'assistant' && typeof last['content'] === 'string') {
    const whole = [...messages.slice(0, -1), { ...last, content: last['content'] + text }];
    return { ...span, text: JSON.stringify(by === 'prefill' ? whole : [...whole, question]) };
  }
  const added: object[] = [{ role: 'assistant', content: text }];
  if (by === 'instruction') added.push(question);
  const start = span.end - 1;
  return { start, end: start, text: (messages.length > 0 ? ',' : '') + JSON.stringify(added).slice(1, -1) };
}
