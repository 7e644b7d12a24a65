/** What the kubelet's AtomicWriter makes of a volume: `..TIMESTAMP` folders, `..data` that is swapped, a link for each key. */
import { mkdir, mkdtemp, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Volume {
  readonly directory: string;
  #count = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(files: Record<string, string>): Promise<Volume> {
    const volume = new Volume(await mkdtemp(join(tmpdir(), 'spillway-volume-')));
    await volume.write(files);
    return volume;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** In the kubelet's order: the new folder, the links of keys that are new, the swap, the removal of the old folder. */
  async write(files: Record<string, string>): Promise<void> {
    const stamp = `..2026_11_24_10_00_00.${String(this.#count++).padStart(9, '0')}`;
    const before = await readlink(this.path('..data')).catch(() => undefined);
    await mkdir(this.path(stamp));
    for (const [name, text] of Object.entries(files)) await writeFile(join(this.directory, stamp, name), text);
    await symlink(stamp, this.path('..data_tmp'));
    await rename(this.path('..data_tmp'), this.path('..data'));
    for (const name of Object.keys(files)) await symlink(join('..data', name), this.path(name)).catch(() => undefined);
    if (before !== undefined) await rm(this.path(before), { recursive: true });
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
