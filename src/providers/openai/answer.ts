import { JsonScanner } from '../../wire/json-scan.ts';
import { afterMark } from '../../wire/plain-bytes.ts';
import { parseJson } from '../../wire/record.ts';
import type { Answer } from '../types.ts';
import { classifyBody } from './errors.ts';
import { isList } from './spans.ts';
import { readUsage } from './usage.ts';

/** Reads a whole JSON answer: is it one, and what did it use? */
export class OpenAiAnswerReader {
  private readonly scanner: JsonScanner;
  private readonly member: string;

  /** @param member what an answer of this kind must have */
  constructor(member: 'choices' | 'data') {
    this.member = member;
    this.scanner = new JsonScanner([member, 'usage', 'error']);
  }

  read(body: Buffer): Answer {
    const { scanner } = this;
    // Clients pass over a byte order mark.
    if (!scanner.scan(body, afterMark(body))) return { ok: false, failure: { reason: 'malformed_response', divert: true } };
    if (!isList(body, scanner.span(this.member))) {
      // Some servers answer 200 with an error in the body.
      return { ok: false, failure: scanner.span('error') ? classifyBody(200, parseJson(body.toString())) : { reason: 'malformed_response', divert: true } };
    }
    const usage = scanner.span('usage');
    return { ok: true, usage: usage && readUsage(parseJson(body.toString('utf8', usage.start, usage.end))) };
  }
}
