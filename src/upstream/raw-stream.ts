import type { Writable } from 'node:stream';
import type { Failure } from '../providers/types.ts';
import { Outlet, type Tap } from './outlet.ts';
import type { LiveStream, StreamEnd } from './types.ts';

/** A JSON answer that is too long to hold: its bytes as they come, whole if the transfer ended as it announced. */
export class RawStream implements LiveStream {
  private readonly tap: Tap;
  private held: Buffer[];
  private outlet: Outlet | undefined;
  private result: StreamEnd | undefined;
  private resolve: ((end: StreamEnd) => void) | undefined;
  private bytes = 0;

  constructor(held: Buffer[], tap: Tap) {
    this.held = held;
    this.tap = tap;
    for (const chunk of held) this.bytes += chunk.length;
    // Nothing more is held while the caller's answer is prepared.
    tap.pause();
  }

  get counted(): number {
    return Math.ceil(this.bytes / 4);
  }

  pipe(sink: Writable): Promise<StreamEnd> {
    this.outlet = new Outlet(sink, this.tap);
    const held = this.held;
    this.held = [];
    for (const chunk of held) this.outlet.write(chunk);
    // Last: the upstream may bring more at once.
    if (!this.outlet.paused) this.tap.resume();
    return new Promise((resolve) => {
      this.resolve = resolve;
      if (this.result) resolve(this.result);
    });
  }

  push(chunk: Buffer): void {
    if (this.result) return;
    this.bytes += chunk.length;
    if (this.outlet) this.outlet.write(chunk);
    else this.held.push(chunk);
  }

  end(): void {
    this.close(true, undefined);
  }

  break(failure: Failure | undefined): void {
    this.close(false, failure);
  }

  private close(whole: boolean, failure: Failure | undefined): void {
    this.result ??= { whole, failure, usage: undefined, counted: this.counted, leftOut: 0, soFar: undefined, held: 0 };
    this.outlet?.close();
    this.resolve?.(this.result);
  }
}
