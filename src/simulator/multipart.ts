/** multipart/form-data as it comes in (RFC 7578): fields as text, one file as pieces, whatever its size. */
import type { IncomingMessage } from 'node:http';

export type UploadedFile = { field: string; filename: string; contentType: string; size: number; pieces: Buffer[] };
export type Form = { fields: Map<string, string>; file: UploadedFile | undefined };
export type FormProblem = { problem: 'not-multipart' | 'malformed' | 'too-large' | 'client-left' };

type PartHead = { name: string; filename: string | undefined; contentType: string };

const MAX_HEAD = 16 * 1024;
const MAX_FIELD = 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

/** Reads to the end even what it refuses: a client still writing would not see the answer. */
export async function readForm(req: IncomingMessage, fileLimit: number): Promise<Form | FormProblem> {
  const boundary = boundaryOf(req.headers['content-type']);
  const reader = boundary === undefined ? undefined : new FormReader(boundary, fileLimit);
  try {
    for await (const chunk of req) reader?.push(chunk as Buffer);
  } catch {
    return { problem: 'client-left' };
  }
  return reader === undefined ? { problem: 'not-multipart' } : reader.result();
}

function boundaryOf(contentType: string | undefined): string | undefined {
  const found = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? '');
  return found?.[1] ?? found?.[2];
}

class FormReader {
  private readonly mark: Buffer;
  private readonly fileLimit: number;
  private readonly form: Form = { fields: new Map(), file: undefined };
  /** What may be the beginning of a mark or a head. The body begins as if a line had ended before it. */
  private rest: Buffer = Buffer.from('\r\n');
  private state: 'preamble' | 'head' | 'part' | 'end' = 'preamble';
  private problem: 'malformed' | 'too-large' | undefined;
  private part: PartHead | undefined;
  private text: Buffer[] = [];
  private size = 0;

  constructor(boundary: string, fileLimit: number) {
    this.mark = Buffer.from(`\r\n--${boundary}`);
    this.fileLimit = fileLimit;
  }

  push(chunk: Buffer): void {
    if (this.problem !== undefined || this.state === 'end') return;
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (this.problem === undefined && this.step());
  }

  result(): Form | FormProblem {
    if (this.problem !== undefined) return { problem: this.problem };
    return this.state === 'end' ? this.form : { problem: 'malformed' };
  }

  /** @returns false when more bytes are needed */
  private step(): boolean {
    if (this.state === 'end') return false;
    if (this.state === 'head') return this.readHead();
    const at = this.rest.indexOf(this.mark);
    if (at < 0) {
      const sure = Math.max(0, this.rest.length - this.mark.length);
      this.take(this.rest.subarray(0, sure));
      this.rest = this.rest.subarray(sure);
      return false;
    }
    const after = at + this.mark.length;
    if (this.rest.length < after + 2) return false;
    const next = this.rest.toString('latin1', after, after + 2);
    this.take(this.rest.subarray(0, at));
    this.endPart();
    this.rest = this.rest.subarray(after + 2);
    if (next === '--') this.state = 'end';
    else if (next === '\r\n') this.state = 'head';
    else this.problem = 'malformed';
    return true;
  }

  private readHead(): boolean {
    const end = this.rest.indexOf(HEAD_END);
    if (end < 0) {
      if (this.rest.length > MAX_HEAD) this.problem = 'malformed';
      return false;
    }
    const head = this.rest.toString('utf8', 0, end);
    const name = /^content-disposition:\s*form-data\s*;.*?\bname="([^"]*)"/im.exec(head)?.[1];
    if (name === undefined) {
      this.problem = 'malformed';
      return false;
    }
    const filename = /^content-disposition:.*?\bfilename="([^"]*)"/im.exec(head)?.[1];
    this.part = { name, filename, contentType: /^content-type:\s*(\S+)/im.exec(head)?.[1] ?? 'application/octet-stream' };
    if (filename !== undefined) this.form.file = { field: name, filename, contentType: this.part.contentType, size: 0, pieces: [] };
    this.rest = this.rest.subarray(end + HEAD_END.length);
    this.state = 'part';
    return true;
  }

  private take(bytes: Buffer): void {
    if (this.part === undefined || bytes.length === 0) return;
    this.size += bytes.length;
    const isFile = this.part.filename !== undefined;
    if (this.size > (isFile ? this.fileLimit : MAX_FIELD)) {
      this.problem = 'too-large';
      this.form.file = undefined;
    } else if (isFile) this.form.file!.pieces.push(bytes);
    else this.text.push(bytes);
  }

  private endPart(): void {
    if (this.part?.filename !== undefined && this.form.file !== undefined) this.form.file.size = this.size;
    else if (this.part !== undefined) this.form.fields.set(this.part.name, Buffer.concat(this.text).toString());
    this.part = undefined;
    this.text = [];
    this.size = 0;
  }
}
