/** What can go wrong on demand, and the queue in which it waits for a call. */
import type { Encoding } from './encoding.ts';

/** What happens to one call. Several may be combined: `status` with `delayMs`, `cut` with `crlf`. */
export type Fault = {
  /** An error answer with the real body of that status. */
  status?: number;
  /** `error.code` of `status`; `insufficient_quota` on 429 has its own body. */
  code?: string;
  /** Seconds, for `retry-after` and `retry-after-ms`. */
  retryAfter?: number;
  /** Replaces the whole body of `status`. */
  body?: string;
  /** Added to whatever is answered. */
  headers?: Record<string, string>;
  /** Before the headers. */
  delayMs?: number;
  /** After the headers, before the first token. */
  firstTokenMs?: number;
  tokensPerSecond?: number;
  answerTokens?: number;
  /** RST before the headers. */
  reset?: boolean;
  /** Accepted, never answered. */
  hang?: boolean;
  /** The connection breaks after K tokens; without stream, after half of the body. */
  cut?: number;
  /** A clean end after K tokens, without finish chunk and [DONE]. */
  close?: number;
  /** Silence midway. */
  stall?: { after: number; ms: number };
  /** The K-th token's chunk is broken JSON. */
  malformed?: number;
  /** After K tokens an error event, then the end. */
  errorEvent?: number;
  noDone?: boolean;
  emptyBody?: boolean;
  /** 200 with text/html. */
  notJson?: boolean;
  /** 200 whose JSON is cut, with a clean end. */
  truncatedJson?: boolean;
  contextLength?: boolean;
  /** 400, or a 200 that ends with finish_reason content_filter. */
  contentFilter?: 'error' | 'finish';
  usageMissing?: boolean;
  encoding?: Encoding;
  crlf?: boolean;
  /** Bytes come in tiny pieces that split events and UTF-8 anywhere. */
  slowBytes?: boolean;
};

/** A fault and the calls that it waits for. */
export type FaultSpec = Fault & {
  model?: string;
  /** How many calls; Infinity for all. Default 1, with `probability` Infinity. */
  count?: number;
  /** The first so many calls are spared. */
  skip?: number;
  /** In [0, 1]. */
  probability?: number;
};

export type QueuedFault = { readonly spec: FaultSpec; readonly left: number; readonly used: number };

export type FaultQueue = {
  add(spec: FaultSpec): QueuedFault;
  clear(): void;
  list(): QueuedFault[];
};

export type FaultStore = { queue: FaultQueue; take(model: string): Fault };

const NONE: Fault = Object.freeze({});

/** `standing` are never cleared. The first that fits a call is used, older before newer, and only that one. */
export function createFaults(standing: FaultSpec[], random: () => number): FaultStore {
  const always = standing.map((spec) => enqueue(spec, Infinity));
  let queued: Waiting[] = [];
  return {
    queue: {
      add(spec) {
        const waiting = enqueue(spec, spec.probability === undefined ? 1 : Infinity);
        queued.push(waiting);
        return waiting;
      },
      clear() {
        queued = [];
      },
      list: () => [...queued, ...always],
    },
    take(model) {
      const found = queued.find((fault) => fits(fault, model, random)) ?? always.find((fault) => fits(fault, model, random));
      if (found === undefined) return NONE;
      found.left--;
      found.used++;
      if (found.left <= 0) queued = queued.filter((fault) => fault.left > 0);
      return found.spec;
    },
  };
}

type Waiting = { spec: FaultSpec; left: number; used: number; toSkip: number };

function enqueue(spec: FaultSpec, defaultCount: number): Waiting {
  return { spec, left: spec.count ?? defaultCount, used: 0, toSkip: spec.skip ?? 0 };
}

function fits(fault: Waiting, model: string, random: () => number): boolean {
  if (fault.left <= 0) return false;
  if (fault.spec.model !== undefined && fault.spec.model !== model) return false;
  if (fault.toSkip > 0) {
    fault.toSkip--;
    return false;
  }
  return fault.spec.probability === undefined || random() < fault.spec.probability;
}

/** Those that keep an answer from being a whole one come first: they name the outcome. */
export const BREAKING = [
  'status', 'reset', 'hang', 'cut', 'close', 'errorEvent', 'malformed', 'noDone',
  'emptyBody', 'notJson', 'truncatedJson', 'contextLength', 'contentFilter',
] as const satisfies readonly (keyof Fault)[];

const HARMLESS = [
  'stall', 'delayMs', 'firstTokenMs', 'usageMissing', 'encoding', 'crlf', 'slowBytes', 'tokensPerSecond', 'answerTokens', 'headers',
] as const satisfies readonly (keyof Fault)[];

export function breakingName(fault: Fault): string | undefined {
  return BREAKING.find((name) => fault[name] !== undefined && fault[name] !== false);
}

export function faultName(fault: Fault): string | undefined {
  return breakingName(fault) ?? HARMLESS.find((name) => fault[name] !== undefined && fault[name] !== false);
}
