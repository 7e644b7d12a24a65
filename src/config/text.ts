/** Mistakes of the file as a file, before anybody looks at it as YAML. */
import type { Mistake } from './tree.ts';

/** What etcd lets a ConfigMap hold. */
export const LARGEST = 1024 * 1024;

export function textMistake(text: string): Mistake | undefined {
  if (text.length > LARGEST || Buffer.byteLength(text) > LARGEST) return { offset: 0, message: 'the file is larger than 1 MiB, the most a ConfigMap can hold' };
  if (text.startsWith('\uFEFF')) return { offset: 0, message: 'the file begins with a byte order mark: save it as UTF-8 without BOM' };
  if (text.trim() === '') return { offset: 0, message: 'the file is empty: models and groups are required' };
  // oxlint-disable-next-line no-control-regex
  const control = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/.exec(text);
  if (control) return { offset: control.index, message: 'a control character: remove it, and save the file as UTF-8' };
  // What a decoder puts in the place of bytes that are no UTF-8.
  const broken = text.indexOf('\uFFFD');
  if (broken >= 0) return { offset: broken, message: 'not valid UTF-8 here: save the file as UTF-8' };
  return undefined;
}
