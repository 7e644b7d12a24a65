/**
 * A ConfigMap mounted with `subPath` is one file bound into the container: the kubelet never updates it, and no poll can see
 * an edit. The kernel's list of mounts tells such a file from one in a mounted directory.
 */
import { readFile, realpath } from 'node:fs/promises';

/** `volume`: of a Kubernetes volume, which is replaced and never written. `file`: any other, which may be written in place. */
export type MountedAlone = 'volume' | 'file';

/** @returns a sentence for people if edits of that file may never be seen, as far as this system tells */
export async function whyNeverUpdated(path: string, mounts = '/proc/self/mountinfo'): Promise<string | undefined> {
  const [real, list] = await Promise.all([realpath(path), readFile(mounts, 'utf8')]).catch(() => ['', '']);
  const alone = mountedAlone(real!, list!);
  if (alone === 'volume') return `${path} is mounted with subPath: Kubernetes never updates it, so an edit needs a new pod. Mount the volume's directory instead, or add --watch configmap:NAMESPACE/NAME`;
  if (alone === 'file') return `${path} is mounted as a single file: an edit that replaces the file, as most editors do, is not seen here. Mount its directory instead`;
  return undefined;
}

/** @param mounts the text of /proc/self/mountinfo (proc(5)): the fourth column is what is mounted, the fifth is where */
export function mountedAlone(path: string, mounts: string): MountedAlone | undefined {
  const columns = mounts.split('\n').map((line) => line.split(' '));
  // The last one is on top.
  const mount = columns.findLast(([, , , , at]) => at !== undefined && unescaped(at) === path);
  if (mount === undefined) return undefined;
  return /\/(?:kubernetes\.io~[a-z-]+|volume-subpaths)\//.test(unescaped(mount[3] ?? '')) ? 'volume' : 'file';
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 8)));
}
