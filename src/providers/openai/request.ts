/** A request in OpenAI's dialect: what is read from its bytes, and how they are changed for an upstream. */
import { isUtf8 } from 'node:buffer';
import { SpillwayError } from '../../errors.ts';
import { JsonScanner, type Media, type Span } from '../../wire/json-scan.ts';
import { parseJson } from '../../wire/record.ts';
import type { Answer, ModelRequest, Operation, RequestReader, StreamReader, UpstreamNames } from '../types.ts';
import { OpenAiAnswerReader } from './answer.ts';
import { OpenAiStreamReader } from './stream.ts';

const MEMBERS = ['model', 'stream', 'stream_options', 'max_completion_tokens', 'max_tokens', 'n', 'best_of', 'prompt'];

/** What the API itself allows where the caller sets nothing (openai 7 types: a completion has 16 tokens by default). */
const DEFAULT_MAX: Partial<Record<Operation, number>> = { completions: 16 };

/** @returns a reader with scanners of its own, so that requests of one process share their scratch space. */
export function openAiRequestReader(operation: Operation): RequestReader {
  const scanner = new JsonScanner(MEMBERS);
  const options = new JsonScanner(['include_usage']);
  const answers = new OpenAiAnswerReader(operation === 'embeddings' ? 'data' : 'choices');
  const events = new JsonScanner(OpenAiStreamReader.members);

  return (body, knownModels) => {
    if (!scanner.scan(body)) throw new SpillwayError('invalid_json', [`${scanner.problem} (byte ${scanner.position + 1})`]);
    if (!isUtf8(body)) throw new SpillwayError('invalid_encoding');
    const twice = scanner.duplicate();
    if (twice !== undefined) throw new SpillwayError('duplicate_member', [twice]);
    const modelSpan = scanner.span('model');
    if (modelSpan === undefined) throw new SpillwayError('missing_model', [knownModels()]);
    const model = stringAt(body, modelSpan);
    if (model === undefined || model === '') throw new SpillwayError('invalid_model', [knownModels()]);
    const optionsSpan = scanner.span('stream_options');
    const prompts = operation === 'completions' ? promptsIn(body, scanner.span('prompt')) : 1;
    const choices = (wholeNumber(body, scanner.span('n')) ?? 1) * prompts;
    return new OpenAiRequest({
      operation,
      body,
      model,
      modelSpan,
      optionsSpan,
      usageSpan: optionsSpan && usageSpan(options, body, optionsSpan),
      stream: operation !== 'embeddings' && textAt(body, scanner.span('stream')) === 'true',
      maxTokens: wholeNumber(body, scanner.span('max_completion_tokens') ?? scanner.span('max_tokens')) ?? DEFAULT_MAX[operation],
      choices,
      outputs: operation === 'embeddings' ? 0 : Math.max(choices, (wholeNumber(body, scanner.span('best_of')) ?? 1) * prompts),
      media: { ...scanner.media },
      answers,
      events,
    });
  };
}

interface Parts {
  readonly operation: Operation;
  readonly body: Buffer;
  readonly model: string;
  readonly modelSpan: Span;
  readonly optionsSpan: Span | undefined;
  readonly usageSpan: Span | undefined;
  readonly stream: boolean;
  readonly maxTokens: number | undefined;
  readonly choices: number;
  readonly outputs: number;
  readonly media: Media;
  readonly answers: OpenAiAnswerReader;
  readonly events: JsonScanner;
}

class OpenAiRequest implements ModelRequest {
  private readonly parts: Parts;
  readonly operation: Operation;
  readonly model: string;
  readonly stream: boolean;
  readonly maxTokens: number | undefined;
  readonly outputs: number;
  readonly textBytes: number;
  readonly media: Media;

  constructor(parts: Parts) {
    this.parts = parts;
    this.operation = parts.operation;
    this.model = parts.model;
    this.stream = parts.stream;
    this.maxTokens = parts.maxTokens;
    this.outputs = parts.outputs;
    this.media = parts.media;
    this.textBytes = parts.body.length - parts.media.bytes;
  }

  bodyFor(upstream: UpstreamNames): Buffer {
    const { body, modelSpan } = this.parts;
    const edits: Edit[] = [{ ...modelSpan, text: JSON.stringify(upstream.model) }];
    if (this.stream && upstream.includeUsage && !this.callerWantsUsage()) edits.push(this.askForUsage());
    return splice(body, edits);
  }

  streamReader(): StreamReader {
    const { events, choices } = this.parts;
    return new OpenAiStreamReader(events, choices, !this.callerWantsUsage());
  }

  readAnswer(body: Buffer): Answer {
    return this.parts.answers.read(body);
  }

  private callerWantsUsage(): boolean {
    return textAt(this.parts.body, this.parts.usageSpan) === 'true';
  }

  private askForUsage(): Edit {
    const { body, optionsSpan, usageSpan } = this.parts;
    if (usageSpan !== undefined) return { ...usageSpan, text: 'true' };
    if (optionsSpan === undefined) {
      const start = body.indexOf('{') + 1;
      return { start, end: start, text: '"stream_options":{"include_usage":true},' };
    }
    // An object without the member, or something that is no object, as `null`.
    const given = textAt(body, optionsSpan)!;
    if (!given.startsWith('{')) return given === 'null' ? { ...optionsSpan, text: '{"include_usage":true}' } : { ...optionsSpan, text: given };
    const empty = /^\{\s*\}$/.test(given);
    const start = optionsSpan.start + 1;
    return { start, end: start, text: `"include_usage":true${empty ? '' : ','}` };
  }
}

interface Edit extends Span {
  readonly text: string;
}

function splice(body: Buffer, edits: Edit[]): Buffer {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const edit of edits.sort((a, b) => a.start - b.start)) {
    pieces.push(body.subarray(at, edit.start), Buffer.from(edit.text));
    at = edit.end;
  }
  pieces.push(body.subarray(at));
  return Buffer.concat(pieces);
}

function usageSpan(scanner: JsonScanner, body: Buffer, options: Span): Span | undefined {
  return scanner.scan(body, options.start, options.end) ? scanner.span('include_usage') : undefined;
}

function textAt(body: Buffer, span: Span | undefined): string | undefined {
  return span && body.toString('utf8', span.start, span.end);
}

/** @returns undefined for what is no string */
function stringAt(body: Buffer, { start, end }: Span): string | undefined {
  if (body[start] !== 0x22) return undefined;
  const text = body.toString('utf8', start + 1, end - 1);
  return text.includes('\\') ? String(parseJson(`"${text}"`)) : text;
}

/** What is not a whole number above 0 is the upstream's to refuse. */
function wholeNumber(body: Buffer, span: Span | undefined): number | undefined {
  if (span === undefined || span.end - span.start > 12) return undefined;
  const value = Number(textAt(body, span));
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/** A completion may ask for several prompts at once: a list of texts, or of lists of tokens; one list of tokens is one prompt. */
function promptsIn(body: Buffer, span: Span | undefined): number {
  const prompt = span && body[span.start] === 0x5b ? parseJson(textAt(body, span)!) : undefined;
  return Array.isArray(prompt) && prompt.length > 0 && typeof prompt[0] !== 'number' ? prompt.length : 1;
}
