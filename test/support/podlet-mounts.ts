/**
 * A pod's volumes as folders of this machine. Its processes see the machine's own file system: where a text names a place
 * in the container, the folder is written in its stead. That is done in arguments, environments and ConfigMaps, the
 * configuration among them.
 */
import type { V1KeyToPath, V1PodSpec, V1Volume, V1VolumeProjection } from '@kubernetes/client-node';
import { Volume } from './kube-api-volume.ts';
import { fieldOf, objectNamed, type Identity, type Objects } from './podlet-env.ts';

type Files = Record<string, string>;

export class Mounts {
  readonly #volumes: { readonly spec: V1Volume; readonly on: Volume }[] = [];
  readonly #places = new Map<string, string>();
  readonly #pod: Identity;

  private constructor(pod: Identity) {
    this.#pod = pod;
  }

  static async make(spec: V1PodSpec, objects: Objects, pod: Identity): Promise<Mounts> {
    const mounts = new Mounts(pod);
    for (const volume of spec.volumes ?? []) mounts.#volumes.push({ spec: volume, on: await Volume.make({}) });
    try {
      for (const { volumeMounts = [] } of [...(spec.initContainers ?? []), ...spec.containers]) {
        for (const { name, mountPath, subPath } of volumeMounts) {
          const directory = mounts.#volumes.find(({ spec }) => spec.name === name)?.on.directory;
          const other = mounts.#places.get(mountPath);
          if (directory === undefined || subPath !== undefined || (other !== undefined && other !== directory)) throw new Error(`the podlet cannot mount ${name} at ${mountPath}`);
          mounts.#places.set(mountPath, directory);
        }
      }
      await mounts.write(objects);
    } catch (error) {
      await mounts.remove();
      throw error;
    }
    return mounts;
  }

  /** What the kubelet does when it starts a pod, and again when an object has changed. */
  async write(objects: Objects, changed: (volume: V1Volume) => boolean = () => true): Promise<void> {
    for (const { spec, on } of this.#volumes.filter(({ spec }) => changed(spec))) {
      let files: Files;
      try {
        files = this.#filesOf(spec, objects);
      } catch (error) {
        throw new Error(`MountVolume.SetUp failed for volume "${spec.name}": ${(error as Error).message}`, { cause: error });
      }
      await on.write(files);
    }
  }

  at(mountPath: string): string | undefined {
    return this.#places.get(mountPath);
  }

  rewritten(text: string): string {
    let all = text;
    for (const [place, directory] of this.#places) {
      all = all.replaceAll(new RegExp(`(?<![\\w./-])${place.replaceAll('.', '\\.')}(?![\\w.-])`, 'g'), () => directory);
    }
    return all;
  }

  async remove(): Promise<void> {
    for (const { on } of this.#volumes) await on.remove();
  }

  #filesOf({ configMap, secret, projected, emptyDir, name }: V1Volume, objects: Objects): Files {
    if (emptyDir) return {};
    const sources: V1VolumeProjection[] = [...(projected?.sources ?? [])];
    if (configMap) sources.push({ configMap });
    if (secret) sources.push({ secret: { ...secret, ...(secret.secretName !== undefined && { name: secret.secretName }) } });
    if (sources.length === 0) throw new Error(`the podlet does not know what ${name} is`);
    const files: Files = {};
    for (const source of sources) Object.assign(files, this.#filesFrom(source, objects));
    return files;
  }

  #filesFrom({ configMap, secret, serviceAccountToken, downwardAPI }: V1VolumeProjection, objects: Objects): Files {
    if (serviceAccountToken) return { [serviceAccountToken.path]: 'a-token' };
    if (downwardAPI) return Object.fromEntries((downwardAPI.items ?? []).map(({ path, fieldRef }) => [path, fieldOf(this.#pod, fieldRef?.fieldPath ?? '')]));
    if (secret) return chosen(objectNamed(objects, 'secret', secret.name, secret.optional), secret.items);
    const files = chosen(objectNamed(objects, 'configMap', configMap?.name, configMap?.optional), configMap?.items);
    return Object.fromEntries(Object.entries(files).map(([path, text]) => [path, this.rewritten(text)]));
  }
}

export function isOf({ configMap, projected }: V1Volume, name: string): boolean {
  return configMap?.name === name || (projected?.sources ?? []).some((source) => source.configMap?.name === name);
}

function chosen(values: Readonly<Record<string, string>> | undefined, items: readonly V1KeyToPath[] | undefined): Files {
  if (items === undefined) return { ...values };
  return Object.fromEntries(
    items.map(({ key, path }) => {
      const text = values?.[key];
      if (text === undefined) throw new Error(`references non-existent key: ${key}`);
      return [path, text];
    }),
  );
}
