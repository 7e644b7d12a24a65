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
  #seen = new Map<string, string>();

  constructor(options: SecretFilesOptions) {
    this.#options = options;
    this.#seen = this.#read();
  }

  /** Calls back if a file holds something else than the last time it could be read. */
  look(): void {
    const now = this.#read();
    const changed = [...now].some(([path, text]) => this.#seen.has(path) && this.#seen.get(path) !== text);
    // One that is gone for a moment keeps what it held.
    this.#seen = new Map([...this.#seen, ...now]);
    if (changed) this.#options.onChange();
  }

  #read(): Map<string, string> {
    const found = new Map<string, string>();
    for (const { path, ref } of references(this.#options.config())) {
      // Redis reads its own at each connection.
      if (!path.startsWith('models.') || !('file' in ref)) continue;
      try {
        found.set(ref.file, this.#options.readText(ref.file));
      } catch {
        // It is being replaced, or was never there: the log says so when the configuration is read.
      }
    }
    return found;
  }
}
