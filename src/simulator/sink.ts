/** Where an answer's bytes go: with back-pressure, in the encoding asked for, and never into a closed connection. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { constants, createBrotliCompress, createDeflate, createGzip, createZstdCompress } from 'node:zlib';
import type { Encoding } from './encoding.ts';

export type Sink = {
  /** Resolves when there is room for more; false when the client is gone. */
  write(text: string | Buffer): boolean | Promise<boolean>;
  /** Resolves when all was handed to the system. */
  end(): Promise<void>;
  /** The connection breaks, after what was written. */
  cut(): Promise<void>;
};

export type SinkOptions = { encoding?: Encoding | undefined; slowBytes?: boolean | undefined; random: () => number };

export function createSink(res: ServerResponse, options: SinkOptions): Sink {
  const put = options.slowBytes === true ? crumbs(res, options.random) : direct(res);
  return options.encoding === undefined ? plain(res, put) : encoded(res, put, options.encoding);
}

/** False when the client left before the time was over. */
export function pause(res: ServerResponse, ms: number): Promise<boolean> {
  if (res.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const left = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      res.removeListener('close', left);
      resolve(true);
    }, ms);
    res.once('close', left);
  });
}

type Put = (bytes: string | Buffer) => boolean | Promise<boolean>;

function direct(res: ServerResponse): Put {
  return (bytes) => {
    if (res.destroyed) return false;
    return res.write(bytes) || drained(res);
  };
}

function drained(res: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (open: boolean): void => {
      res.removeListener('drain', onDrain);
      res.removeListener('close', onClose);
      resolve(open);
    };
    const onDrain = (): void => settle(true);
    const onClose = (): void => settle(false);
    res.once('drain', onDrain);
    res.once('close', onClose);
  });
}

/** Pieces of 1 to 7 bytes, a turn of the event loop each, so that they reach the client apart. */
function crumbs(res: ServerResponse, random: () => number): Put {
  const put = direct(res);
  return async (text) => {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) {
      const next = at + 1 + Math.floor(random() * 7);
      if (!(await put(bytes.subarray(at, next)))) return false;
      at = next;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return true;
  };
}

function plain(res: ServerResponse, put: Put): Sink {
  return {
    write: put,
    end: () => finish(res),
    cut: () => cut(res),
  };
}

function encoded(res: ServerResponse, put: Put, encoding: Encoding): Sink {
  const packer = createPacker(encoding);
  let open = true;
  const pump = (async () => {
    for await (const chunk of packer) open &&= await put(chunk as Buffer);
  })();
  return {
    async write(text) {
      if (res.destroyed || !open) return false;
      packer.write(text);
      // Each write must reach the client at once, as with a server that flushes its events.
      await new Promise<void>((resolve) => packer.flush(() => resolve()));
      return open && !res.destroyed;
    },
    async end() {
      packer.end();
      await pump;
      await finish(res);
    },
    async cut() {
      await cut(res);
      packer.destroy();
      await pump.catch(() => undefined);
    },
  };
}

function createPacker(encoding: Encoding) {
  switch (encoding) {
    case 'gzip': return createGzip({ flush: constants.Z_SYNC_FLUSH });
    case 'deflate': return createDeflate({ flush: constants.Z_SYNC_FLUSH });
    case 'br': return createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 4 } });
    case 'zstd': return createZstdCompress();
  }
}

async function finish(res: ServerResponse): Promise<void> {
  if (res.destroyed) return;
  res.end();
  if (!res.writableFinished) await Promise.race([once(res, 'finish'), once(res, 'close')]);
}

/** An empty write comes back when all before it has left the process; without it destroy() would drop it. */
async function cut(res: ServerResponse): Promise<void> {
  if (res.destroyed) return;
  res.flushHeaders();
  const { socket } = res;
  if (socket !== null) await new Promise<void>((resolve) => socket.write('', () => resolve()));
  res.destroy();
}
