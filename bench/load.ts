/**
 * A load of HTTP/1.1 requests on plain sockets, so that the client is not what is measured.
 * One argument, as JSON: a Load. Prints one JSON line: a LoadResult.
 */
import { connect, type Socket } from 'node:net';

export interface Load {
  readonly port: number;
  readonly body: string;
  /** More header lines, each ended by CRLF. */
  readonly headers: string;
  readonly connections: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Requests a second over all connections; 0: each connection sends as soon as it has its answer. */
  readonly rate: number;
}

export interface LoadResult {
  /** Answers within the measured seconds. */
  readonly perSecond: number;
  /** Answers in all, the warm-up's too. */
  readonly total: number;
  readonly p50: number;
  readonly p99: number;
  /** To the first content of a stream, in ms. */
  readonly firstP50: number;
  readonly firstP99: number;
  readonly errors: number;
}

const END = Buffer.from('0\r\n\r\n');
const CONTENT = Buffer.from('" lorem"');

const load = JSON.parse(process.argv[2]!) as Load;
const request = Buffer.from(
  `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer x\r\n${load.headers}content-length: ${Buffer.byteLength(load.body)}\r\n\r\n${load.body}`,
);
const latencies: number[] = [];
const firsts: number[] = [];
let errors = 0;
let total = 0;
const begin = performance.now() + load.warmupSeconds * 1000;
const end = begin + load.seconds * 1000;

class Connection {
  private readonly socket: Socket;
  private sentAt = 0;
  private due = 0;
  private received: Buffer = Buffer.alloc(0);
  private sawContent = false;
  private readonly everyMs: number;

  constructor(index: number) {
    this.everyMs = load.rate === 0 ? 0 : (1000 * load.connections) / load.rate;
    this.due = performance.now() + (this.everyMs * index) / load.connections;
    this.socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
    this.socket.on('connect', () => this.next()).on('data', (chunk: string | Buffer) => this.take(Buffer.from(chunk as Buffer))).on('error', () => errors++);
  }

  close(): void {
    this.socket.destroy();
  }

  private next(): void {
    const now = performance.now();
    if (now >= end) return void this.socket.end();
    if (this.everyMs > 0 && this.due > now) return void setTimeout(() => this.next(), this.due - now);
    // Counted from when it was due: a stall must not hide what it delayed.
    this.sentAt = this.everyMs > 0 ? Math.max(this.due, now - 1000) : now;
    this.due += this.everyMs;
    this.received = Buffer.alloc(0);
    this.sawContent = false;
    this.socket.write(request);
  }

  private take(chunk: Buffer): void {
    const now = performance.now();
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    if (!this.sawContent && this.received.includes(CONTENT)) {
      this.sawContent = true;
      if (this.sentAt >= begin) firsts.push(now - this.sentAt);
    }
    if (!this.whole()) return;
    total++;
    if (this.received.toString('latin1', 9, 12) !== '200') errors++;
    if (this.sentAt >= begin && now <= end) latencies.push(now - this.sentAt);
    this.next();
  }

  private whole(): boolean {
    const head = this.received.indexOf('\r\n\r\n');
    if (head < 0) return false;
    const length = /content-length: (\d+)/i.exec(this.received.toString('latin1', 0, head))?.[1];
    return length === undefined ? this.received.subarray(-END.length).equals(END) : this.received.length >= head + 4 + Number(length);
  }
}

const connections = Array.from({ length: load.connections }, (_, i) => new Connection(i));

setTimeout(() => {
  const result: LoadResult = {
    perSecond: latencies.length / load.seconds,
    total,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    firstP50: quantile(firsts, 0.5),
    firstP99: quantile(firsts, 0.99),
    errors,
  };
  for (const connection of connections) connection.close();
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}, (load.warmupSeconds + load.seconds) * 1000 + 500);

function quantile(values: number[], q: number): number {
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Number.NaN;
}
