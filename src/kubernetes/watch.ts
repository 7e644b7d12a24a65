/**
 * One watch through the client library, as a stream of events that ends or throws. The library's callback only queues:
 * it swallows what a callback throws.
 */
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import { Watch } from '@kubernetes/client-node/dist/watch.js';
import type { ApiError } from './api-error.ts';
import { EventQueue } from './event-queue.ts';
import type { Link } from './link.ts';
import { tapped } from './tap.ts';
import type { Time } from './time.ts';

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

export interface WatchRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string | number | boolean>>;
  /** Until the server accepts. */
  readonly openMs: number;
  /** How long it may then be silent. */
  readonly silenceMs: number;
  /** The same where bookmarks come: a server that sends them sends one every minute. */
  readonly bookmarkSilenceMs: number;
  readonly time: Time;
  onOpen(): void;
  onBytes(): void;
}

/** Lines are handed on within moments, so one that makes no event by then makes none. */
const UNREAD_MS = 1000;
/** Behind our own deadline, which can be held by tests. */
const LIBRARY_SLACK_MS = 10_000;

export function openWatch(link: Link, request: WatchRequest): AsyncIterable<WatchEvent> {
  const { time } = request;
  const queue = new EventQueue<WatchEvent>();
  let refused: ApiError | undefined;
  let lines = 0;
  let events = 0;
  let checking: (() => void) | undefined;
  const giveUp = (why: string): void => link.close(new Error(why));
  let deadline = time.after(request.openMs, () => giveUp(`the API server did not accept the watch within ${request.openMs} ms`));
  let ms = request.silenceMs;
  const stillThere = (): void => {
    deadline();
    deadline = time.after(ms, () => giveUp(`nothing came from the API server for ${Math.round(ms / 1000)} s, not even a bookmark`));
  };
  const check = (): void => {
    checking = undefined;
    if (lines !== events) giveUp('the API server sent an event that is not JSON');
  };

  const context = (into: RequestContext): Promise<void> => {
    for (const [name, value] of Object.entries(link.headers)) into.setHeaderParam(name, value);
    // Lines are counted as they come, so they must come as they are.
    into.setHeaderParam('accept-encoding', 'identity');
    into.setHeaderParam('accept', 'application/json');
    into.setDispatcher(
      tapped(link.dispatcher, {
        onOpen() {
          stillThere();
          request.onOpen();
        },
        onRefused: (error) => (refused = error),
        onBytes(ended) {
          lines += ended;
          stillThere();
          request.onBytes();
          if (ended > 0) checking ??= time.after(UNREAD_MS, check);
        },
      }),
    );
    return Promise.resolve();
  };
  const config = { getCurrentCluster: () => ({ server: link.server }), applySecurityAuthentication: context };
  const watch = new Watch(config as unknown as KubeConfig);
  // Private there, and half a minute by default: any quiet object would be asked for again and again.
  (watch as unknown as { requestTimeoutMs: number }).requestTimeoutMs = Math.max(request.openMs, ms) + LIBRARY_SLACK_MS;
  const end = (error?: unknown): void => {
    deadline();
    checking?.();
    queue.end(refused ?? error ?? undefined);
  };
  const take = (type: string, object: unknown): void => {
    events++;
    if (type === 'BOOKMARK') {
      ms = Math.min(ms, request.bookmarkSilenceMs);
      stillThere();
    }
    queue.push({ type, object });
  };
  watch.watch(request.path, request.query, take, end).catch(end);
  return queue;
}
