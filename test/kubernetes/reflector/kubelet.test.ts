/** The mounted file: the kubelet's swap however a file system tells of it, and mounts that never change. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { EventEmitter } from 'node:events';
import * as realFs from 'node:fs';
import { mountedAlone, whyNeverUpdated } from '../../../src/kubernetes/sub-path.ts';
import { until } from '../../support/kube-api-setup.ts';
import { Volume } from '../../support/kube-api-volume.ts';

/** What the file system tells; undefined: the real one's own. */
let told: ((listener: (type: string, name: string | null) => void) => void) | undefined;

jest.unstable_mockModule('node:fs', () => ({
  ...realFs,
  watch(path: string, options: object, listener: (type: string, name: string | null) => void) {
    if (told === undefined) return realFs.watch(path, options, listener);
    told(listener);
    return Object.assign(new EventEmitter(), { close: () => undefined });
  },
}));
const { watchFile } = await import('../../../src/config/sources/file.ts');

let volume: Volume;
let texts: string[] = [];
let errors: Error[] = [];
let watching: { close(): void } | undefined;

beforeEach(async () => {
  [texts, errors] = [[], []];
  told = undefined;
  volume = await Volume.make({ 'spillway.yaml': 'v0', 'other.yaml': 'x' });
});

afterEach(async () => {
  watching?.close();
  await volume.remove();
});

function begin(pollMs: number): void {
  watching = watchFile(volume.path('spillway.yaml'), { onText: (text) => texts.push(text), onError: (error) => errors.push(error), pollMs });
}

const mount = (text: string): Promise<void> => volume.write({ 'spillway.yaml': text, 'other.yaml': 'x' });
const NEVER = 3_600_000;

async function swaps(after: () => void = () => undefined): Promise<void> {
  await until(() => texts.length === 1, 'the first');
  for (const text of ['v1', 'v2', 'v3']) {
    await mount(text);
    after();
    await until(() => texts.at(-1) === text, text);
  }
  expect({ texts, errors }).toEqual({ texts: ['v0', 'v1', 'v2', 'v3'], errors: [] });
}

describe('the swap of ..data is seen', () => {
  test('by the watch alone', async () => {
    begin(NEVER);
    await swaps();
  });

  test.each([
    ['a write to ..data', 'change', '..data'],
    ['a write to something without a name', 'change', null],
    ['a write to the file itself', 'change', 'spillway.yaml'],
  ])('when the file system reports it as %s', async (_, type, name) => {
    let tell: (type: string, name: string | null) => void = () => undefined;
    told = (listener) => (tell = listener);
    begin(NEVER);
    await swaps(() => tell(type, name));
  });

  test('when the file system reports nothing', async () => {
    told = () => undefined;
    begin(40);
    await swaps();
  });

  test('when there is no watch to be had', async () => {
    told = () => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    };
    begin(40);
    await swaps();
  });

  test('and a swap with the same text is no edit', async () => {
    begin(40);
    await until(() => texts.length === 1, 'the first');
    await mount('v0');
    await mount('v0');
    await mount('v1');
    await until(() => texts.at(-1) === 'v1', 'the edit');
    expect(texts).toEqual(['v0', 'v1']);
  });
});

describe('subPath', () => {
  const root = '25 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw';
  const pod = '/var/lib/kubelet/pods/5b1e/';
  const line = (what: string, where: string): string => `31 25 8:1 ${what} ${where} ro,relatime - ext4 /dev/sda1 rw`;

  test.each([
    ['of a ConfigMap', line(`${pod}volumes/kubernetes.io~configmap/config/..2026_11_24/spillway.yaml`, '/etc/spillway/spillway.yaml'), 'volume'],
    ['by the kubelet’s own bind mount', line(`${pod}volume-subpaths/config/spillway/0`, '/etc/spillway/spillway.yaml'), 'volume'],
    ['of another single file', line('/home/me/spillway.yaml', '/etc/spillway/spillway.yaml'), 'file'],
    ['of a whole volume: none', line(`${pod}volumes/kubernetes.io~configmap/config`, '/etc/spillway'), undefined],
    ['of another file: none', line(`${pod}volume-subpaths/config/app/0`, '/etc/app.yaml'), undefined],
  ])('%s', (_, mount, expected) => {
    expect(mountedAlone('/etc/spillway/spillway.yaml', [root, mount, ''].join('\n'))).toBe(expected);
  });

  test('with a space in its name', () => {
    expect(mountedAlone('/etc/my config.yaml', line(`${pod}volume-subpaths/c/s/0`, String.raw`/etc/my\040config.yaml`))).toBe('volume');
  });

  test('is explained with what to do, and an unknown system is no trouble', async () => {
    const path = volume.path('spillway.yaml');
    const real = realFs.realpathSync(path);
    realFs.writeFileSync(volume.path('mounts'), `${root}\n${line(`${pod}volume-subpaths/c/s/0`, real)}\n`);
    expect(await whyNeverUpdated(path, volume.path('mounts'))).toBe(`${path} is mounted with subPath: Kubernetes never updates it, so an edit needs a new pod. Mount the volume's directory instead, or add --watch configmap:NAMESPACE/NAME`);
    expect(await whyNeverUpdated(path, volume.path('none'))).toBe(undefined);
    expect(await whyNeverUpdated(path)).toBe(undefined);
  });
});
