/** A request in OpenAI's dialect: what is read from its bytes, and how they are changed for an upstream. */
import { isUtf8 } from 'node:buffer';
import { SpillwayError } from '../../errors.ts';
import { JsonScanner, type Media, type Span } from '../../wire/json-scan.ts';
import { parseJson } from '../../wire/record.ts';
import { promptText } from './prompt-text.ts';
import type { Answer, ContinueBy, ModelRequest, Operation, RequestReader, SoFar, StreamReader, UpstreamNames } from '../types.ts';
import { OpenAiAnswerReader } from './answer.ts';
import { CONTINUE_MEMBERS, canContinue, continuedBody } from './continue.ts';
import { JoiningReader, type Joint } from './joining.ts';
import { splice, textAt, wholeNumber, type Edit } from './spans.ts';
import { OpenAiStreamReader } from './stream.ts';
import { TextKept } from './text-kept.ts';

const MEMBERS = ['model', 'stream', 'stream_options', 'max_completion_tokens', 'max_tokens', 'n', 'best_of', 'prompt'];

/** What the API itself allows where the caller sets nothing (openai 7 types: a completion has 16 tokens by default). */
const DEFAULT_MAX: Partial<Record<Operation, number>> = { completions: 16 };

/** @returns a reader with scanners of its own, so that requests of one process share their scratch space. */
export function openAiRequestReader(operation: Operation): RequestReader {
  const scanner = new JsonScanner(MEMBERS);
  const options = new JsonScanner(['include_usage']);
  const shared: Shared = {
    answers: new OpenAiAnswerReader(operation === 'embeddings' ? 'data' : 'choices'),
    events: new JsonScanner(OpenAiStreamReader.members),
    continuing: new JsonScanner(CONTINUE_MEMBERS),
    joining: new JsonScanner(JoiningReader.members),
    read,
  };

  function read(body: Buffer, knownModels: string, joint?: Joint): OpenAiRequest {
    if (!scanner.scan(body)) throw new SpillwayError('invalid_json', [`${scanner.problem} (byte ${scanner.position + 1})`]);
    if (!isUtf8(body)) throw new SpillwayError('invalid_encoding');
    const twice = scanner.duplicate();
    if (twice !== undefined) throw new SpillwayError('duplicate_member', [twice]);
    const modelSpan = scanner.span('model');
    if (modelSpan === undefined) throw new SpillwayError('missing_model', [knownModels]);
    const model = stringAt(body, modelSpan);
    if (model === undefined || model === '') throw new SpillwayError('invalid_model', [knownModels]);
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
      shared,
      joint,
    });
  }
  return read;
}

/** What the requests of one reader use in turns. */
interface Shared {
  readonly answers: OpenAiAnswerReader;
  readonly events: JsonScanner;
  readonly continuing: JsonScanner;
  readonly joining: JsonScanner;
  readonly read: (body: Buffer, knownModels: string, joint?: Joint) => OpenAiRequest;
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
  readonly shared: Shared;
  /** Of a continuation: where it goes on. */
  readonly joint: Joint | undefined;
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
  readonly continues: boolean;

  constructor(parts: Parts) {
    this.parts = parts;
    this.operation = parts.operation;
    this.model = parts.model;
    this.stream = parts.stream;
    this.maxTokens = parts.maxTokens;
    this.outputs = parts.outputs;
    this.media = parts.media;
    this.textBytes = parts.body.length - parts.media.bytes;
    this.continues = parts.joint !== undefined;
  }

  bodyFor(upstream: UpstreamNames): Buffer {
    const { body, modelSpan } = this.parts;
    const edits: Edit[] = [{ ...modelSpan, text: JSON.stringify(upstream.model) }];
    if (this.stream && upstream.includeUsage && !this.callerWantsUsage()) edits.push(this.askForUsage());
    return splice(body, edits);
  }

  streamReader(keepText = false): StreamReader {
    const { operation, body, choices, joint, shared } = this.parts;
    const { events, continuing, joining } = shared;
    const omitUsage = !this.callerWantsUsage();
    if (joint !== undefined) return new JoiningReader(joining, new OpenAiStreamReader(events, choices, omitUsage), joint);
    const kept = keepText && this.outputs === 1 && canContinue(continuing, operation, body) ? new TextKept() : undefined;
    return new OpenAiStreamReader(events, choices, omitUsage, kept);
  }

  readAnswer(body: Buffer): Answer {
    return this.parts.shared.answers.read(body);
  }

  promptText(): string {
    return promptText(this.parts.body);
  }

  continued(soFar: SoFar, by: ContinueBy): ModelRequest {
    const { operation, body, joint, shared } = this.parts;
    const original = joint?.original ?? body;
    return shared.read(continuedBody(shared.continuing, operation, original, soFar, by), '', { original, soFar, by });
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

function usageSpan(scanner: JsonScanner, body: Buffer, options: Span): Span | undefined {
  return scanner.scan(body, options.start, options.end) ? scanner.span('include_usage') : undefined;
}

/** @returns undefined for what is no string */
function stringAt(body: Buffer, { start, end }: Span): string | undefined {
  if (body[start] !== 0x22) return undefined;
  const text = body.toString('utf8', start + 1, end - 1);
  return text.includes('\\') ? String(parseJson(`"${text}"`)) : text;
}

/** A completion may ask for several prompts at once: a list of texts, or of lists of tokens; one list of tokens is one prompt. */
function promptsIn(body: Buffer, span: Span | undefined): number {
  const prompt = span && body[span.start] === 0x5b ? parseJson(textAt(body, span)!) : undefined;
  return Array.isArray(prompt) && prompt.length > 0 && typeof prompt[0] !== 'number' ? prompt.length : 1;
}
