/** Holds the configuration in force, and replaces it between two requests when a valid edit comes. */
import { parseConfig } from '../config/load.ts';
import { formatPlace, formatProblem } from '../config/problem.ts';
import type { Config, Inactive, LoadResult, Problem } from '../config/types.ts';
import type { Log } from '../telemetry/log.ts';
import { messageOf } from '../wire/record.ts';
import { buildRuntime, type Runtime, type RuntimeDeps } from './runtime.ts';
import type { ConfigState } from './status.ts';

export interface KeeperDeps extends RuntimeDeps {
  readonly log: Log;
  /** Called with each runtime before it is in force. What it throws keeps an edit out of force. */
  readonly onApply: (runtime: Runtime, before: Runtime | undefined) => void;
  /** Of each edit: the text says the hash, or the mistakes with their places. */
  readonly onEdit?: (outcome: 'applied' | 'refused', text: string) => void;
}

/** The configuration that the sidecar was started with has mistakes. */
export class ConfigRefused extends Error {
  override readonly name = 'ConfigRefused';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map((problem) => formatProblem(problem)).join('\n'));
    this.problems = problems;
  }
}

export class ConfigKeeper {
  private readonly deps: KeeperDeps;
  private readonly source: string;
  private current: Runtime | undefined;
  private state: ConfigState = { inactive: [], error: undefined };

  constructor(source: string, deps: KeeperDeps) {
    this.source = source;
    this.deps = deps;
  }

  /** Takes one text of the source. @throws ConfigRefused for the first one; a later one with mistakes is reported, never used */
  take(text: string): void {
    const result = parseConfig(text, this.source);
    if (result.ok) return this.apply(result.config, result);
    if (this.current === undefined) throw new ConfigRefused(result.problems);
    this.refuse('the edited configuration has mistakes; the last good one stays in force', result.problems);
  }

  /** A key was replaced: the same configuration, with what its references hold now. */
  renew(): void {
    const { current } = this;
    if (current === undefined) return;
    const runtime = { ...buildRuntime(current.config, current.hash, this.source, this.deps), loadedAt: current.loadedAt };
    this.deps.onApply(runtime, current);
    this.current = runtime;
    this.deps.log.info('keys were read again');
  }

  /** The source cannot be read. */
  fail(error: Error): void {
    if (this.current === undefined) throw error;
    this.refuse(`the configuration cannot be read; the last good one stays in force: ${error.message}`, []);
  }

  readonly runtime = (): Runtime => {
    if (this.current === undefined) throw new Error('no configuration was taken yet');
    return this.current;
  };

  /** Undefined: none was taken yet. */
  readonly inForce = (): Runtime | undefined => this.current;

  readonly configState = (): ConfigState => this.state;

  private apply(config: Config, { hash, inactive }: Extract<LoadResult, { ok: true }>): void {
    const before = this.current;
    if (before?.hash === hash) {
      this.state = { inactive, error: undefined };
      return;
    }
    const runtime = buildRuntime(config, hash, this.source, this.deps);
    try {
      this.deps.onApply(runtime, before);
    } catch (error) {
      if (before === undefined) throw error;
      return this.refuse(`the edited configuration cannot be used; the last good one stays in force: ${messageOf(error)}`, []);
    }
    this.state = { inactive, error: undefined };
    this.current = runtime;
    for (const one of inactive) this.deps.log.warn({ at: formatPlace(one), path: one.path }, one.message);
    this.warnUnusable(runtime, inactive);
    if (before !== undefined) this.deps.onEdit?.('applied', `configuration ${hash} is in force`);
    this.deps.log.info({ hash, models: runtime.targets.length, groups: Object.keys(config.groups).length }, 'configuration applied');
  }

  private warnUnusable({ targets }: Runtime, inactive: readonly Inactive[]): void {
    for (const { name, unusable } of targets) {
      if (unusable === undefined || inactive.some(({ path }) => path.startsWith(`models.${name}.provider`))) continue;
      this.deps.log.warn({ model: name, reason: unusable }, 'this model cannot be used');
    }
  }

  private refuse(message: string, problems: readonly Problem[]): void {
    this.state = { ...this.state, error: { message, at: this.deps.now(), problems } };
    const places = problems.map((problem) => formatProblem(problem));
    this.deps.onEdit?.('refused', [message, ...places].join('\n'));
    this.deps.log.error({ problems: places }, message);
  }
}
