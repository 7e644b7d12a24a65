/** Takes out of a workload what `inject` had put in, by its mark. */
import { isMap, type YAMLMap } from 'yaml';
import { NAME, VOLUME_NAMES } from './container.ts';
import { nameOf, type Editor } from './editor.ts';
import { MARK, markOf, type Mark } from './mark.ts';
import { entriesAt, listAt, valueAt, type Workload } from './workloads.ts';

export function strip(editor: Editor, workload: Workload): void {
  const mark = markOf(workload);
  if (mark === undefined) return;
  const { pod, spec } = workload;
  const whole = [
    ...(mark.created.includes('serviceAccountName') ? ['serviceAccountName'] : []),
    ...stripList(editor, spec, 'initContainers', (name) => name === NAME, mark),
    ...stripList(editor, spec, 'volumes', (name) => VOLUME_NAMES.includes(name), mark),
  ];
  editor.removePairs(spec, whole);
  for (const { entry, name } of [...entriesAt(spec, 'containers'), ...entriesAt(spec, 'initContainers')]) {
    const added = mark.env[name];
    if (added !== undefined) editor.removePairs(entry, stripList(editor, entry, 'env', (variable) => added.includes(variable), mark, `env:${name}`));
  }
  unmark(editor, pod, mark);
}

/** @returns the key, if nothing but ours is under it and it was not there before */
function stripList(editor: Editor, map: YAMLMap, key: string, ours: (name: string) => boolean, mark: Mark, created = key): string[] {
  const gone = entriesAt(map, key).filter(({ name }) => ours(name)).map(({ index }) => index);
  if (mark.created.includes(created) && gone.length === listAt(map, key)?.items.length) return [key];
  const list = listAt(map, key);
  if (list) editor.removeItems(list, gone);
  return [];
}

function unmark(editor: Editor, pod: YAMLMap, { created }: Mark): void {
  const metadata = valueAt(pod, 'metadata') as YAMLMap;
  const annotations = valueAt(metadata, 'annotations') as YAMLMap;
  const alone = (map: YAMLMap, key: string): boolean => isMap(map) && map.items.length === 1 && nameOf(map.items[0]!) === key;
  const noAnnotations = created.includes('annotations') && alone(annotations, MARK);
  if (noAnnotations && created.includes('metadata') && alone(metadata, 'annotations')) editor.removePairs(pod, ['metadata']);
  else if (noAnnotations) editor.removePairs(metadata, ['annotations']);
  else editor.removePairs(annotations, [MARK]);
}
