import type { Writable } from 'node:stream';

/**
 * Lets the commands of one turn of the event loop leave in one write. A write is the dearest part of a small command, and a
 * busy sidecar has several to send a turn. (ioredis' own auto-pipelining also joins replies, and costs more than it saves.)
 * @param streamOf the connection's socket; undefined while there is none, or where a client has several
 */
export function coalescing(streamOf: () => Writable | undefined): () => void {
  let corked: Writable | undefined;
  const uncork = (): void => {
    const stream = corked;
    corked = undefined;
    stream?.uncork();
  };
  return () => {
    if (corked !== undefined) return;
    corked = streamOf();
    if (corked === undefined) return;
    corked.cork();
    setImmediate(uncork);
  };
}
