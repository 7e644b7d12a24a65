/**
 * Files that hold keys, looked at every few seconds: a mounted Secret is replaced by a rename that no watcher of one file sees,
 * and a key that is a few seconds old is early enough.
 */
import { references } from '../secrets.ts';
import type { Config } from '../types.ts';

export interface SecretFilesOptions {
  readonly config: () => Config;
  /** @throws if it cannot be read just now */
  readonly readText: (path: string) => string;
  readonly onChange: () => void;
}

export class SecretFiles {
  readonly #options: SecretFilesOptions;
  /** Undefined: it could not be read yet. */
  readonly #seen = new Map<string, string | undefined>();

  constructor(options: SecretFilesOptions) {
    this.#options = options;
    this.#read();
  }

  /** Calls back if a file holds something else than the last time it could be read, or can be read at last. */
  look(): void {
    if (this.#read()) this.#options.onChange();
  }

  /** @returns whether one that was looked at before has changed */
  #read(): boolean {
    let changed = false;
    for (const { path, ref } of references(this.#options.config())) {
      // Redis reads its own at each connection.
      if (!path.startsWith('models.') || !('file' in ref)) continue;
      const text = this.#textOf(ref.file);
      const before = this.#seen.get(ref.file);
      // One that is gone for a moment keeps what it held.
      if (this.#seen.has(ref.file) && text !== undefined && text !== before) changed = true;
      this.#seen.set(ref.file, text ?? before);
    }
    return changed;
  }

  #textOf(path: string): string | undefined {
    try {
      return this.#options.readText(path);
    } catch {
      // It is being replaced, or is not there yet: the log said so when the configuration was read.
      return undefined;
    }
  }
}
