/**
 * Keys of models, and the files that hold some: looked at every few seconds, as a mounted Secret is replaced by a rename that
 * no watcher of one file sees, and a key that is a few seconds old is early enough. What is in use stays in use until its file
 * holds another key.
 */
import { resolveKey, SecretError, type Environment } from '../secrets.ts';
import type { Config, SecretRef } from '../types.ts';

/** What requests are served with now. */
export interface InUse {
  readonly config: Config;
  /** By model. */
  readonly keys: ReadonlyMap<string, string>;
}

export interface SecretFilesOptions {
  /** Undefined: nothing yet. */
  readonly inUse: () => InUse | undefined;
  readonly env: Environment;
  /** @throws if it cannot be read just now */
  readonly readText: (path: string) => string;
  /** Keys are to be read again. */
  readonly onChange: () => void;
  /** @param kept the model goes on with the key that it has */
  readonly onProblem: (model: string, error: SecretError, kept: boolean) => void;
}

export class SecretFiles {
  readonly #options: SecretFilesOptions;
  /** By model, what was said of its file last, until that can be read again. */
  readonly #said = new Map<string, string>();

  constructor(options: SecretFilesOptions) {
    this.#options = options;
  }

  /** For a configuration that is to be used. @returns undefined if there is none, and none of that file is in use */
  key(model: string, ref: SecretRef): string | undefined {
    this.#said.delete(model);
    return this.#read(model, ref) ?? this.#known(ref);
  }

  /** Calls back if a file holds another key than the one in use. */
  look(): void {
    const used = this.#options.inUse();
    if (used === undefined) return;
    let differs = false;
    for (const [name, { apiKey }] of Object.entries(used.config.models)) {
      if (apiKey === undefined || !('file' in apiKey)) continue;
      const key = this.#read(name, apiKey);
      if (key !== undefined && key !== used.keys.get(name)) differs = true;
    }
    if (differs) this.#options.onChange();
  }

  #read(model: string, ref: SecretRef): string | undefined {
    const { env, readText, onProblem } = this.#options;
    try {
      const key = resolveKey(ref, env, readText);
      this.#said.delete(model);
      return key;
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      // Once, not at each look.
      if (this.#said.get(model) !== error.message) onProblem(model, error, this.#known(ref) !== undefined);
      this.#said.set(model, error.message);
      return undefined;
    }
  }

  /** By its file, never by its model alone: an edit may send the model elsewhere. */
  #known(ref: SecretRef): string | undefined {
    const used = this.#options.inUse();
    if (used === undefined || !('file' in ref)) return undefined;
    for (const [name, { apiKey }] of Object.entries(used.config.models)) {
      const key = apiKey !== undefined && 'file' in apiKey && apiKey.file === ref.file ? used.keys.get(name) : undefined;
      if (key !== undefined) return key;
    }
    return undefined;
  }
}
