/** What is known of the ConfigMap and of the way to it; each news is told once. */
import { hashOf } from '../wire/hash.ts';
import { messageOf } from '../wire/record.ts';
import { roleFor, type Content, type ConfigMapName } from './config-map.ts';
import type { Time } from './time.ts';

export interface Trouble {
  readonly message: string;
  /** The manifest that would end it. */
  readonly remedy?: string;
}

export interface ObservedEvents {
  /** The first content, each that differs from the one before, and the first after a mistake. */
  onText(text: string): void;
  /** The object is not there or has no such text. */
  onMistake(message: string): void;
  /** The server cannot be asked: told once when it begins, and undefined when all is well again. */
  onTrouble(trouble: Trouble | undefined): void;
  /** The object changed while nobody watched: versions may have been missed. Told before the text. */
  onGap?(): void;
  /** The server answered a LIST: what is known now is no older than the call. */
  onListed?(): void;
}

export interface ObservedState {
  readonly connected: boolean;
  readonly resourceVersion: string | null;
  /** Since the server was last heard of; null if it never was. */
  readonly ageMs: number | null;
  readonly error: string | null;
}

export class Observed {
  readonly #target: ConfigMapName & { readonly namespace: string };
  readonly #time: Time;
  readonly #events: ObservedEvents;
  #connected = false;
  #heardAt: number | undefined;
  #version: string | undefined;
  /** The object's own. */
  #objectVersion: string | undefined;
  #hash = '';
  /** Of the way to the server, by its kind. */
  #lost: { readonly kind: string; readonly message: string } | undefined;
  /** Of the object itself. */
  #wrong: string | undefined;
  #closed = false;

  constructor(target: ConfigMapName & { readonly namespace: string }, time: Time, events: ObservedEvents) {
    this.#target = target;
    this.#time = time;
    this.#events = events;
  }

  state(): ObservedState {
    return {
      connected: this.#connected,
      resourceVersion: this.#version ?? null,
      ageMs: this.#heardAt === undefined ? null : Math.round(this.#time.now() - this.#heardAt),
      error: this.#lost?.message ?? this.#wrong ?? null,
    };
  }

  close(): void {
    this.#closed = true;
    this.#connected = false;
  }

  heard(): void {
    this.#heardAt = this.#time.now();
  }

  /** The server accepted the watch. Whether it goes on shows later: a server may accept each and end it at once. */
  opened(): void {
    this.heard();
    this.#connected = !this.#closed;
  }

  well(): void {
    if (this.#lost === undefined) return;
    this.#lost = undefined;
    this.#tell(undefined);
  }

  /** A LIST was answered and what it said was told. */
  listed(): void {
    if (!this.#closed) this.#guard(() => this.#events.onListed?.());
  }

  advanced(version: string): void {
    this.#version = version;
  }

  /** By a LIST, in this version of its own. */
  found(objectVersion: string | undefined): void {
    if (objectVersion !== this.#objectVersion && !this.#closed) this.#guard(() => this.#events.onGap?.());
  }

  /** @param version to watch from; a list's is younger than the object's own */
  content(content: Content, version: string, objectVersion: string | undefined = version): void {
    this.advanced(version);
    this.#objectVersion = objectVersion;
    if ('mistake' in content) return this.#isWrong(content.mistake);
    this.#wrong = undefined;
    // Annotations and other keys change the version, too.
    const hash = hashOf(content.text);
    if (hash === this.#hash || this.#closed) return;
    this.#hash = hash;
    this.#guard(() => this.#events.onText(content.text));
  }

  missing(message: string, version: string): void {
    this.advanced(version);
    this.#isWrong(message);
  }

  lost({ status, message }: { readonly status: number | undefined; readonly message: string }): void {
    this.#connected = false;
    const kind = String(status ?? 'unreachable');
    const before = this.#lost?.kind;
    this.#lost = { kind, message };
    if (kind === before) return;
    const { namespace, name } = this.#target;
    this.#tell(status === 403 ? { message, remedy: roleFor(namespace, name) } : { message });
  }

  #isWrong(message: string): void {
    if (this.#wrong === message) return;
    this.#wrong = message;
    this.#hash = '';
    if (!this.#closed) this.#guard(() => this.#events.onMistake(message));
  }

  #tell(trouble: Trouble | undefined): void {
    if (!this.#closed) this.#guard(() => this.#events.onTrouble(trouble));
  }

  /** A listener that throws must not end the watch, nor pass unseen. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#wrong = `what the API server sent could not be taken: ${messageOf(error)}`;
    }
  }
}
