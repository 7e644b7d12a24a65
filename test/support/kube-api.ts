/**
 * An API server for tests, as faithful as one ConfigMap needs it: TLS with an authority of its own, tokens, exactly our Role,
 * LIST, WATCH with and without bookmarks, a past that ends, Events, and every fault that clients get wrong.
 */
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { AUTHORITIES } from './kube-api-certs.ts';
import { forbidden, gone, INTERNAL, Refused, statusObject, UNAUTHORIZED, type Status } from './kube-api-status.ts';
import { Store, type Stored } from './kube-api-store.ts';
import { OpenWatch, type Segments } from './kube-api-watch.ts';

export const NAMESPACE = 'shop';
export const NAME = 'spillway';
export const USER = `system:serviceaccount:${NAMESPACE}:default`;
const PATH = /^\/api\/v1\/namespaces\/([^/]+)\/(configmaps|events)(?:\/([^/]+))?$/;
const LARGEST_BODY = 3 * 1024 * 1024;

export interface Seen {
  readonly verb: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly httpVersion: string;
  readonly at: number;
  status: number;
}

export type Fault =
  | { readonly refuse: Status }
  | { readonly hang: true }
  | { readonly slowMs: number }
  | { readonly reset: true }
  /** What a proxy in between answers. */
  | { readonly page: number; readonly body: string }
  /** A watch is accepted, then: */
  | { readonly inStream: Status }
  | { readonly endAtOnce: true };

export class KubeApi {
  readonly store = new Store();
  readonly seen: Seen[] = [];
  /** Posted Events. */
  readonly events: { readonly reason: string; readonly type: string; readonly message: string; readonly involvedObject: Record<string, string> }[] = [];
  readonly watches = new Set<OpenWatch>();
  readonly sockets = new Set<Socket>();
  readonly tokens = new Set<string>(['token-1']);
  /** What the Role allows. */
  readonly allowed = { get: true, list: true, watch: true, events: true };
  fault: ((seen: Seen) => Fault | undefined) | undefined;
  goneAs: 'http' | 'event' = 'http';
  segments: Segments = 'line';
  bookmarkMs = 100;
  /** Of `timeoutSeconds`. */
  secondMs = 1000;
  authority = AUTHORITIES[0];
  port = 0;
  #server: Http2SecureServer | undefined;

  async start(): Promise<this> {
    const { cert, key } = this.authority;
    // A real one offers HTTP/2, too.
    const server = createSecureServer({ cert, key, allowHTTP1: true }, (req, res) => void this.#answer(req as unknown as IncomingMessage, res as unknown as ServerResponse));
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    server.on('sessionError', () => undefined);
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** Connections are refused from now on. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const watch of this.watches) watch.reset();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  edit(text: string, key = 'spillway.yaml'): Stored {
    return this.store.put(NAMESPACE, NAME, { [key]: text });
  }

  rotateAuthority(): void {
    this.authority = this.authority === AUTHORITIES[0] ? AUTHORITIES[1] : AUTHORITIES[0];
    this.#server?.setSecureContext({ cert: this.authority.cert, key: this.authority.key });
  }

  get server(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  count(verb: string): number {
    return this.seen.filter((seen) => seen.verb === verb).length;
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', 'https://x');
    const [, namespace = '', resource = '', name] = PATH.exec(url.pathname) ?? [];
    const verb = verbOf(req.method, name, url.searchParams);
    const seen: Seen = { verb: resource === 'events' ? `${verb} events` : verb, path: url.pathname, query: url.searchParams, headers: req.headers, httpVersion: req.httpVersion, at: performance.now(), status: 0 };
    this.seen.push(seen);
    res.on('error', () => undefined);
    res.on('finish', () => (seen.status = res.statusCode));
    try {
      const token = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1];
      if (token === undefined || !this.tokens.has(token)) throw new Refused(UNAUTHORIZED);
      const fault = this.fault?.(seen);
      if (fault !== undefined && !(await this.#spoil(fault, req, res))) return;
      if (res.closed) return;
      if (url.pathname === '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews') return reply(res, 201, this.#review(await bodyOf(req)));
      this.#authorize(verb, resource, namespace, name ?? selected(url.searchParams));
      if (resource === 'events') return reply(res, 201, this.#event(namespace, await bodyOf(req)));
      if (verb === 'watch') return this.#watch(namespace, url.searchParams, fault, res);
      if (verb === 'list') return reply(res, 200, this.#list(namespace, url.searchParams));
      const object = name === undefined ? undefined : this.store.get(namespace, name);
      if (object === undefined) throw new Refused({ status: 404, reason: 'NotFound', message: `configmaps "${name}" not found` });
      reply(res, 200, object);
    } catch (error) {
      refuse(res, error instanceof Refused ? error.status : INTERNAL);
    }
  }

  /** @returns whether the request goes on */
  async #spoil(fault: Fault, req: IncomingMessage, res: ServerResponse): Promise<boolean> {
    if ('refuse' in fault) refuse(res, fault.refuse);
    else if ('reset' in fault) req.socket.destroy();
    else if ('page' in fault) res.writeHead(fault.page, { 'content-type': 'text/html' }).end(fault.body);
    else if ('slowMs' in fault) {
      await new Promise((resolve) => {
        setTimeout(resolve, fault.slowMs).unref();
      });
      return true;
    }
    return 'inStream' in fault || 'endAtOnce' in fault;
  }

  #authorize(verb: string, resource: string, namespace: string, name: string | undefined): void {
    if (this.#may(verb, resource, namespace, name)) return;
    throw new Refused(forbidden(USER, verb, resource, '', namespace, verb === 'get' ? name : undefined));
  }

  /** configmaps of this one name: get, list, watch; events: create. */
  #may(verb: string, resource: string, namespace: string, name: string | undefined): boolean {
    if (namespace !== NAMESPACE) return false;
    if (resource === 'events') return verb === 'create' && this.allowed.events;
    return resource === 'configmaps' && name === NAME && (verb === 'get' || verb === 'list' || verb === 'watch') && this.allowed[verb];
  }

  #review(body: unknown): object {
    const review = body as { spec: { resourceAttributes: { verb: string; resource: string; namespace?: string; name?: string } } };
    const { verb, resource, namespace = '', name } = review.spec.resourceAttributes;
    return { kind: 'SelfSubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', ...review, status: { allowed: this.#may(verb, resource, namespace, name) } };
  }

  #event(namespace: string, body: unknown): object {
    const event = body as (typeof this.events)[number] & { metadata: { namespace: string; generateName?: string; name?: string } };
    const invalid = (what: string): never => {
      throw new Refused({ status: 422, reason: 'Invalid', message: `Event is invalid: ${what}` });
    };
    if (event.involvedObject['namespace'] !== namespace) invalid('involvedObject.namespace: Invalid value: does not match event.namespace');
    if ((event.metadata.name ?? event.metadata.generateName ?? '') === '') invalid('metadata.name: Required value: name or generateName is required');
    if (event.message.length > 1024) invalid('message: can have at most 1024 characters');
    this.events.push(event);
    return event;
  }

  #list(namespace: string, query: URLSearchParams): object {
    const items = this.store.all(namespace).filter(selector(query));
    return { kind: 'ConfigMapList', apiVersion: 'v1', metadata: { resourceVersion: String(this.store.tick()) }, items };
  }

  #watch(namespace: string, query: URLSearchParams, fault: Fault | undefined, res: ServerResponse): void {
    const version = query.get('resourceVersion');
    const from = version === null || version === '' || version === '0' ? undefined : Number(version);
    if (from !== undefined && from < this.store.oldest && this.goneAs === 'http') throw new Refused(gone(from, this.store.oldest));
    const selects = selector(query);
    const asked = {
      from,
      bookmarks: query.get('allowWatchBookmarks') === 'true',
      endAfterMs: Number(query.get('timeoutSeconds') ?? 1800) * this.secondMs,
      selects: (object: Stored) => object.metadata.namespace === namespace && selects(object),
    };
    const watch = new OpenWatch(res, this.store, asked, () => this);
    this.watches.add(watch);
    res.once('close', () => this.watches.delete(watch));
    if (fault !== undefined && 'inStream' in fault) watch.error(fault.inStream);
    else if (fault !== undefined && 'endAtOnce' in fault) watch.end();
  }
}

function verbOf(method: string | undefined, name: string | undefined, query: URLSearchParams): string {
  if (method === 'POST') return 'create';
  if (method !== 'GET') return 'update';
  if (query.get('watch') === 'true' || query.get('watch') === '1') return 'watch';
  return name === undefined ? 'list' : 'get';
}

/** The real one takes a field selector of the name for the name itself. */
function selected(query: URLSearchParams): string | undefined {
  return /^metadata\.name=([^,]+)$/.exec(query.get('fieldSelector') ?? '')?.[1];
}

function selector(query: URLSearchParams): (object: Stored) => boolean {
  const name = selected(query);
  return (object) => name === undefined || object.metadata.name === name;
}

async function bodyOf(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= LARGEST_BODY) chunks.push(chunk);
  }
  if (bytes > LARGEST_BODY) throw new Refused({ status: 413, reason: 'RequestEntityTooLarge', message: `Request entity too large: limit is ${LARGEST_BODY}` });
  return JSON.parse(Buffer.concat(chunks).toString());
}

function refuse(res: ServerResponse, status: Status): void {
  if (res.headersSent) return void res.end();
  if (status.retryAfter !== undefined) res.setHeader('retry-after', String(status.retryAfter));
  reply(res, status.status, statusObject(status));
}

function reply(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
