/**
 * A configuration file and its edits: by an editor in place, by a rename over it, or by the kubelet's swap of `..data`.
 * The directory is watched, for speed; and the file is looked at again and again, because some file systems
 * report the swap as something else or not at all (jimmidyson/configmap-reload#190), and network ones report nothing.
 */
import { watch, type FSWatcher } from 'node:fs';
import { readlink, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hashOf } from '../../wire/hash.ts';
import { readText } from './read.ts';

export interface FileEvents {
  /** The first content, and each that differs from the one before. */
  onText(text: string): void;
  /** Once for each kind of trouble, until the file can be read again. */
  onError(error: Error & { code?: string }): void;
  pollMs?: number;
}

export interface Watching {
  close(): void;
}

/** One save is several events; what comes within this time is read once. */
const DEBOUNCE_MS = 20;
/** A content of the same size within one tick of the file's clock shows in nothing but the content. */
const READ_ANYWAY_EVERY = 4;

export function watchFile(path: string, events: FileEvents): Watching {
  return new FileWatch(path, events);
}

class FileWatch implements Watching {
  readonly #path: string;
  readonly #directory: string;
  readonly #events: FileEvents;
  readonly #poll: NodeJS.Timeout;
  #debounce: NodeJS.Timeout | undefined;
  #watcher: FSWatcher | undefined;
  #watched = '';
  #seen = '';
  #hash = '';
  #trouble = '';
  #polls = 0;
  #busy = false;
  #again = false;
  #closed = false;

  constructor(path: string, events: FileEvents) {
    this.#path = path;
    this.#directory = dirname(path);
    this.#events = events;
    this.#poll = setInterval(() => this.#tick(), events.pollMs ?? 500).unref();
    this.#tick();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#debounce);
    this.#unwatch();
  }

  #tick(): void {
    if (this.#polls++ % READ_ANYWAY_EVERY === 0) this.#seen = '';
    void this.#look();
  }

  /** Others may write beside the file all the time; the kubelet's names begin with two dots. */
  #noticed(name: string | null): void {
    if (name === null || name === basename(this.#path) || name.startsWith('..')) this.#soon();
  }

  #soon(): void {
    if (this.#closed) return;
    clearTimeout(this.#debounce);
    // The event itself says that the content may have changed, whatever size and times say.
    this.#debounce = setTimeout(() => {
      this.#seen = '';
      void this.#look();
    }, DEBOUNCE_MS).unref();
  }

  /** One look at a time; a look that is asked for meanwhile follows. */
  async #look(): Promise<void> {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      do {
        this.#again = false;
        await this.#rewatch();
        await this.#compare();
      } while (this.#again && !this.#closed);
    } finally {
      this.#busy = false;
    }
  }

  async #compare(): Promise<void> {
    let text: string;
    try {
      const before = await this.#signature();
      if (before === this.#seen) return;
      text = await readText(this.#path);
      // Somebody is writing just now: half a file is read again when it is whole.
      if ((await this.#signature()) !== before) return this.#soon();
      this.#seen = before;
    } catch (error) {
      this.#failed(error as Error & { code?: string });
      return;
    }
    if (this.#closed) return;
    this.#trouble = '';
    const hash = hashOf(text);
    if (hash === this.#hash) return;
    this.#hash = hash;
    this.#events.onText(text);
  }

  #failed(error: Error & { code?: string }): void {
    const kind = error.code ?? error.message;
    this.#seen = '';
    if (this.#closed || kind === this.#trouble) return;
    this.#trouble = kind;
    // What comes next is told even if it is the same: the error is then over.
    this.#hash = '';
    this.#events.onError(error);
  }

  /** Changes when the file may have changed: another inode, size or time, or another directory behind `..data`. */
  async #signature(): Promise<string> {
    const { ino, size, mtimeNs, ctimeNs } = await stat(this.#path, { bigint: true });
    const data = await readlink(join(this.#directory, '..data')).catch(() => '');
    return [data, ino, size, mtimeNs, ctimeNs].join(' ');
  }

  /** A watch follows its directory's inode, so a directory that was replaced needs a new one. */
  async #rewatch(): Promise<void> {
    const directory = await stat(this.#directory, { bigint: true }).then(({ dev, ino }) => `${dev} ${ino}`, () => '');
    if (this.#closed || (this.#watcher && directory === this.#watched)) return;
    this.#unwatch();
    if (directory === '') return;
    try {
      const watcher = watch(this.#directory, { persistent: false }, (_, name) => this.#noticed(name));
      watcher.on('error', () => this.#unwatch());
      this.#watcher = watcher;
      this.#watched = directory;
    } catch {
      // No watch to be had (inotify's limit, say): polling does, and the next look tries again.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
