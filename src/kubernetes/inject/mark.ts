/** What was added to a workload is written down on its pods, so that it can be taken away again to the byte. */
import { isMap } from 'yaml';
import { offsetOf, Refused } from './editor.ts';
import { textAt, valueAt, type Workload } from './workloads.ts';

export const MARK = 'spillway/injected';

export interface Mark {
  /** Keys that were not there before; `env` of a container is `env:NAME`. */
  readonly created: readonly string[];
  /** The variables added, by container. */
  readonly env: Readonly<Record<string, readonly string[]>>;
}

export function markText(mark: Mark): string {
  return JSON.stringify(mark);
}

/** Undefined if `inject` has not been here. */
export function markOf({ pod, title }: Workload): Mark | undefined {
  const metadata = valueAt(pod, 'metadata');
  const annotations = isMap(metadata) ? valueAt(metadata, 'annotations') : undefined;
  const text = isMap(annotations) ? textAt(annotations, MARK) : undefined;
  if (text === undefined) return undefined;
  const mark = parsed(text);
  if (mark === undefined) throw new Refused(offsetOf(annotations), `${title}: the annotation ${MARK} is not as inject wrote it: take the sidecar out by hand`);
  return mark;
}

function parsed(text: string): Mark | undefined {
  try {
    const { created, env } = JSON.parse(text) as Partial<Mark>;
    const ok = isTexts(created) && typeof env === 'object' && env !== null && Object.values(env).every(isTexts);
    return ok ? { created, env } : undefined;
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
