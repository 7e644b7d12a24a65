import type { Writable } from 'node:stream';

export interface Tap {
  pause(): void;
  resume(): void;
}

/** Writes to the caller at its pace: when it is full, the upstream is paused until it has drained. */
export class Outlet {
  private readonly sink: Writable;
  private readonly tap: Tap;
  /** The caller takes no more for now. */
  paused = false;
  private readonly onDrain = (): void => {
    this.paused = false;
    this.tap.resume();
  };

  constructor(sink: Writable, tap: Tap) {
    this.sink = sink;
    this.tap = tap;
  }

  write(bytes: Buffer): void {
    if (this.sink.destroyed || this.sink.write(bytes) || this.paused) return;
    this.paused = true;
    this.tap.pause();
    this.sink.once('drain', this.onDrain);
  }

  /** Nothing more is written: what the upstream still sends is read and dropped. */
  close(): void {
    if (!this.paused) return;
    this.sink.off('drain', this.onDrain);
    this.onDrain();
  }
}
