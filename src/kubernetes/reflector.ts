/**
 * One ConfigMap, as the API server has it: LIST, then WATCH from there, for ever. A watch that ends as agreed goes on from the
 * last version that was seen; after anything else the object is listed again, which for one object costs no more than a GET.
 */
import { fetch } from 'undici';
import { field, messageOf, parseJson } from '../wire/record.ts';
import { ApiError, apiErrorOf, apiErrorOfEvent, causeOf } from './api-error.ts';
import { Backoff } from './backoff.ts';
import { contentOf, nameOf, resourceVersionOf, type ConfigMapName } from './config-map.ts';
import type { Cluster, Link } from './link.ts';
import { Observed, type ObservedEvents, type ObservedState } from './observed.ts';
import { PACE, type Pace } from './pace.ts';
import type { Time } from './time.ts';
import { openWatch, type WatchEvent } from './watch.ts';

export interface ReflectorOptions extends ObservedEvents {
  readonly cluster: Cluster;
  readonly target: ConfigMapName & { readonly namespace: string };
  readonly time: Time;
  readonly pace?: Partial<Pace>;
}

export class Reflector {
  readonly #cluster: Cluster;
  readonly #target: ReflectorOptions['target'];
  readonly #time: Time;
  readonly #pace: Pace;
  readonly #backoff: Backoff;
  readonly #observed: Observed;
  readonly #running: Promise<void>;
  #link: Link | undefined;
  /** Ends the pause between two attempts. */
  #hurry: (() => void) | undefined;
  #stopped = false;
  #hurried = false;
  /** To watch from; undefined asks for a LIST. */
  #version: string | undefined;
  #listedAt = 0;
  /** This server sends bookmarks, as all do since Kubernetes 1.17. */
  #bookmarked = false;
  /** What the next failure is judged by. */
  #goneAlready = false;
  #livedLong = false;

  constructor({ cluster, target, time, pace, ...events }: ReflectorOptions) {
    this.#cluster = cluster;
    this.#target = target;
    this.#time = time;
    this.#pace = { ...PACE, ...pace };
    this.#backoff = new Backoff(this.#pace.retryMs, this.#pace.longestRetryMs, time.random);
    this.#observed = new Observed(target, time, events);
    this.#running = this.#run();
  }

  state(): ObservedState {
    return this.#observed.state();
  }

  /** Lists again now, without waiting for the watch or the next attempt: somebody has seen something else. */
  refresh(): void {
    if (this.#stopped) return;
    this.#hurried = true;
    this.#link?.close();
    this.#hurry?.();
  }

  /** Resolves when nothing is left open. Nothing is told any more from the call on. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#observed.close();
    this.#link?.close();
    this.#hurry?.();
    return this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#once();
      } catch (error) {
        if (this.#stopped) return;
        this.#version = undefined;
        if (!this.#hurried) await this.#pause(this.#failed(error));
        this.#hurried = false;
      }
    }
  }

  async #once(): Promise<void> {
    const link = await this.#cluster.link();
    this.#link = link;
    try {
      if (this.#stopped) return;
      const overdue = this.#time.now() - this.#listedAt >= this.#pace.relistMs;
      if (this.#version === undefined || this.#hurried || overdue) {
        this.#hurried = false;
        this.#version = await this.#list(link);
      }
      await this.#watch(link, this.#version);
    } finally {
      this.#link = undefined;
      link.close();
    }
  }

  async #list(link: Link): Promise<string> {
    const { namespace, name } = this.#target;
    const url = `${link.server}${this.#path()}?fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
    const { openMs } = this.#pace;
    const cancel = this.#time.after(openMs, () => link.close(new Error(`the API server did not answer within ${openMs} ms`)));
    try {
      const response = await fetch(url, { headers: { ...link.headers, accept: 'application/json' }, dispatcher: link.dispatcher, redirect: 'error' });
      const body = await response.text();
      if (!response.ok) throw apiErrorOf(response.status, (header) => response.headers.get(header) ?? undefined, body);
      const list = parseJson(body);
      const items = field(list, 'items');
      const version = resourceVersionOf(list);
      // A proxy's page, say. No items at all is null in older servers.
      if (version === undefined || (items !== null && !Array.isArray(items))) throw new Error('the API server answered with something that is no list');
      this.#listedAt = this.#time.now();
      const object: unknown = items?.find((item) => nameOf(item) === name);
      this.#observed.heard();
      this.#observed.found(resourceVersionOf(object));
      if (object === undefined) this.#observed.missing(`the ConfigMap ${namespace}/${name} does not exist`, version);
      else this.#observed.content(contentOf(object, this.#target), version, resourceVersionOf(object));
      this.#observed.listed();
      return version;
    } finally {
      cancel();
    }
  }

  async #watch(link: Link, from: string): Promise<void> {
    const time = this.#time;
    const [least, most] = this.#pace.watchSeconds;
    const timeoutSeconds = Math.round(least + this.#time.random() * (most - least));
    const began = time.now();
    let healthy = false;
    let settled: (() => void) | undefined;
    const events = openWatch(link, {
      path: this.#path(),
      query: { fieldSelector: `metadata.name=${this.#target.name}`, resourceVersion: from, allowWatchBookmarks: true, timeoutSeconds },
      openMs: this.#pace.openMs,
      silenceMs: this.#bookmarked ? this.#pace.bookmarkSilenceMs : timeoutSeconds * 1000 + this.#pace.slackMs,
      bookmarkSilenceMs: this.#pace.bookmarkSilenceMs,
      time,
      onOpen: () => {
        this.#observed.opened();
        settled = time.after(this.#pace.shortestWatchMs, () => this.#observed.well());
      },
      onBytes: () => this.#observed.heard(),
    });
    try {
      for await (const event of events) {
        if (this.#stopped) return;
        this.#take(event);
        healthy = true;
        this.#bookmarked ||= event.type === 'BOOKMARK';
        this.#goneAlready = false;
        this.#observed.well();
      }
    } finally {
      settled?.();
      const lived = time.now() - began;
      if (healthy || lived >= this.#pace.shortestWatchMs) this.#backoff.reset();
      this.#livedLong = lived >= this.#pace.longWatchMs;
    }
    // Without this, a server that ends each watch at once would be asked without a pause.
    if (!healthy && time.now() - began < this.#pace.shortestWatchMs) throw new Error('the API server ended the watch at once');
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') throw apiErrorOfEvent(object);
    const version = resourceVersionOf(object);
    if (version === undefined) throw new Error(`the API server sent an event (${type}) without a version`);
    this.#version = version;
    if (type === 'BOOKMARK' || nameOf(object) !== this.#target.name) this.#observed.advanced(version);
    else if (type === 'DELETED') this.#observed.missing(`the ConfigMap ${this.#target.namespace}/${this.#target.name} was deleted`, version);
    else this.#observed.content(contentOf(object, this.#target), version);
  }

  /** @returns how long to wait */
  #failed(error: unknown): number {
    const apiError = error instanceof ApiError ? error : undefined;
    // Nothing is wrong: we were away for longer than the server remembers, or somebody in between cut an old connection.
    const excused = apiError === undefined ? this.#livedLong : apiError.gone && !this.#goneAlready;
    this.#goneAlready = apiError?.gone ?? false;
    this.#livedLong = false;
    if (excused) return this.#time.random() * this.#pace.promptMs;
    this.#observed.lost({ status: apiError?.status, message: apiError?.message ?? `the API server cannot be reached: ${causeOf(error) || messageOf(error)}` });
    return Math.max(this.#backoff.next(), apiError?.retryAfterMs ?? 0);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#time.after(ms, resolve);
      this.#hurry = () => {
        cancel();
        resolve();
      };
    });
    this.#hurry = undefined;
  }

  #path(): string {
    return `/api/v1/namespaces/${this.#target.namespace}/configmaps`;
  }
}
