/** One open WATCH: a line an event, cut as the test wants it, until its time is over or somebody ends it. */
import type { ServerResponse } from 'node:http';
import { gone, statusObject, type Status } from './kube-api-status.ts';
import type { Store, Stored, StoredEvent } from './kube-api-store.ts';

/** `line`: a segment an event; `pieces`: cut anywhere, in the middle of a code point, too; `together`: several in one segment. */
export type Segments = 'line' | 'pieces' | 'together';

export interface WatchAsked {
  readonly from: number | undefined;
  readonly bookmarks: boolean;
  readonly endAfterMs: number;
  readonly selects: (object: Stored) => boolean;
}

export interface WatchManner {
  readonly segments: Segments;
  /** 0: never. */
  readonly bookmarkMs: number;
}

const PIECES = 40;

export class OpenWatch {
  readonly #res: ServerResponse;
  readonly #manner: () => WatchManner;
  readonly #timers: NodeJS.Timeout[] = [];
  #unlisten: () => void = () => undefined;
  #last: Promise<void> = Promise.resolve();
  #frozen = false;
  #forgetful = false;
  #held = '';

  constructor(res: ServerResponse, store: Store, asked: WatchAsked, manner: () => WatchManner) {
    this.#res = res;
    this.#manner = manner;
    res.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    res.flushHeaders();
    const send = ({ type, object }: Pick<StoredEvent, 'object'> & { type: string }): void => {
      if (!this.#forgetful && asked.selects(object)) this.line({ type, object });
    };
    const past = asked.from === undefined ? store.all().map((object) => ({ type: 'ADDED', object })) : store.since(asked.from);
    if (past === undefined) {
      this.error(gone(asked.from!, store.oldest));
      return;
    }
    for (const event of past) send(event);
    this.#unlisten = store.listen(send);
    const bookmark = (): void => this.line({ type: 'BOOKMARK', object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { resourceVersion: String(store.version), creationTimestamp: null } } });
    const { bookmarkMs } = manner();
    if (asked.bookmarks && bookmarkMs > 0) this.#timers.push(setInterval(bookmark, bookmarkMs));
    this.#timers.push(setTimeout(() => this.end(), asked.endAfterMs));
    res.once('close', () => this.#release());
  }

  line(event: unknown): void {
    this.raw(`${JSON.stringify(event)}\n`);
  }

  raw(text: string): void {
    if (this.#frozen) return;
    const { segments } = this.#manner();
    if (segments === 'line') this.#res.write(text);
    else if (segments === 'pieces') this.#last = this.#last.then(() => this.#inPieces(Buffer.from(text)));
    else {
      if (this.#held === '') setTimeout(() => this.#flush(), 20).unref();
      this.#held += text;
    }
  }

  /** After a 200 there is no status left to refuse with. */
  error(status: Status): void {
    this.line({ type: 'ERROR', object: statusObject(status) });
    this.end();
  }

  end(): void {
    if (this.#frozen) return;
    this.#flush();
    this.#release();
    void this.#last.then(() => this.#res.end());
  }

  /** Neither FIN nor RST: the connection is there, and nobody behind it. */
  freeze(): void {
    this.#frozen = true;
  }

  /** From now on it sends bookmarks, but no events. */
  forget(): void {
    this.#forgetful = true;
  }

  reset(): void {
    this.#release();
    this.#res.socket?.destroy();
  }

  async #inPieces(bytes: Buffer): Promise<void> {
    const size = Math.max(1, Math.floor(bytes.length / PIECES) | 1);
    for (let at = 0; at < bytes.length; at += size) {
      this.#res.write(bytes.subarray(at, at + size));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  #flush(): void {
    if (this.#held !== '' && !this.#res.writableEnded) this.#res.write(this.#held);
    this.#held = '';
  }

  #release(): void {
    this.#unlisten();
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
