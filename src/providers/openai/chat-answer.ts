import { JsonScanner } from '../../wire/json-scan.ts';
import { parseJson } from '../../wire/record.ts';
import type { Answer } from '../types.ts';
import { classifyBody } from './errors.ts';
import { readUsage } from './usage.ts';

/** Reads a whole JSON answer of chat completions: is it one, and what did it use? */
export class ChatAnswerReader {
  private readonly scanner = new JsonScanner(['choices', 'usage', 'error']);

  read(body: Buffer): Answer {
    const { scanner } = this;
    if (!scanner.scan(body)) return { ok: false, failure: { reason: 'malformed_response', divert: true } };
    const choices = scanner.span('choices');
    if (choices === undefined) {
      // Some servers answer 200 with an error in the body.
      return { ok: false, failure: scanner.span('error') ? classifyBody(200, parseJson(body.toString())) : { reason: 'malformed_response', divert: true } };
    }
    const usage = scanner.span('usage');
    return { ok: true, usage: usage && readUsage(parseJson(body.toString('utf8', usage.start, usage.end))) };
  }
}
