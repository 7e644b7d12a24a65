/** What etcd does for the API server: objects, one counter for all versions, and a window of past events. */
import { randomUUID } from 'node:crypto';
import { Refused } from './kube-api-status.ts';

export interface Stored {
  readonly kind: 'ConfigMap';
  readonly apiVersion: 'v1';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string; readonly resourceVersion: string; readonly creationTimestamp: string; readonly annotations?: Record<string, string> };
  readonly data?: Record<string, string>;
}

export interface StoredEvent {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Stored;
}

const LARGEST = 1024 * 1024;

export class Store {
  readonly #objects = new Map<string, Stored>();
  readonly #listeners = new Set<(event: StoredEvent) => void>();
  #events: StoredEvent[] = [];
  #version = 7000;
  #oldest = 0;

  get version(): number {
    return this.#version;
  }

  get oldest(): number {
    return this.#oldest;
  }

  /** Other objects change, too: no version follows the one before. */
  tick(): number {
    this.#version += 1 + Math.floor(Math.random() * 9);
    return this.#version;
  }

  get(namespace: string, name: string): Stored | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  all(namespace?: string): Stored[] {
    return [...this.#objects.values()].filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace);
  }

  put(namespace: string, name: string, data: Record<string, string> | undefined, annotations?: Record<string, string>): Stored {
    const bytes = Object.entries(data ?? {}).reduce((sum, [key, value]) => sum + key.length + Buffer.byteLength(value), 0);
    if (bytes > LARGEST) throw new Refused({ status: 422, reason: 'Invalid', message: `ConfigMap "${name}" is invalid: []: Too long: may not be more than ${LARGEST} bytes` });
    const before = this.get(namespace, name);
    const version = this.tick();
    const object: Stored = {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: {
        name,
        namespace,
        uid: before?.metadata.uid ?? randomUUID(),
        resourceVersion: String(version),
        creationTimestamp: before?.metadata.creationTimestamp ?? new Date().toISOString(),
        ...(annotations && { annotations }),
      },
      ...(data && { data }),
    };
    this.#objects.set(`${namespace}/${name}`, object);
    this.#tell({ version, type: before ? 'MODIFIED' : 'ADDED', object });
    return object;
  }

  /** A change that is none of the content. */
  annotate(namespace: string, name: string): void {
    const { data, metadata } = this.get(namespace, name)!;
    this.put(namespace, name, data, { ...metadata.annotations, touched: String(this.#version) });
  }

  delete(namespace: string, name: string): void {
    const before = this.get(namespace, name)!;
    this.#objects.delete(`${namespace}/${name}`);
    const version = this.tick();
    this.#tell({ version, type: 'DELETED', object: { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } } });
  }

  /** Forgets the past: whoever comes with an older version has to list. */
  compact(): void {
    this.#events = [];
    this.#oldest = this.tick();
  }

  /** @returns undefined if the past is not kept that long */
  since(version: number): StoredEvent[] | undefined {
    return version < this.#oldest ? undefined : this.#events.filter((event) => event.version > version);
  }

  listen(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(event: StoredEvent): void {
    this.#events.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}
