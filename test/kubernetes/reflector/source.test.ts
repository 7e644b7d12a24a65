/** The two sources: from the API alone, and beside the mounted file. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { configMapSource, parseConfigMapName, SourceClosed, watchedBeside, type ApiOptions, type Source, type WatchedSource } from '../../../src/config/sources/configmap.ts';
import { watchFile } from '../../../src/config/sources/file.ts';
import { whyNeverUpdated } from '../../../src/kubernetes/sub-path.ts';
import { kubernetes, QUICK, until } from '../../support/kube-api-setup.ts';
import { UNAVAILABLE } from '../../support/kube-api-status.ts';
import { Volume } from '../../support/kube-api-volume.ts';

const setup = kubernetes();
const WANTED = parseConfigMapName('configmap:shop/spillway')!;
const LAG_MS = 400;
let texts: string[] = [];
let errors: string[] = [];
let logs: { level: string; what: Record<string, unknown>; message: string }[] = [];

beforeEach(() => {
  [texts, errors, logs] = [[], [], []];
});

const onText = (text: string): void => void texts.push(text);
const onError = (error: Error): void => void errors.push(error.message);

function options(more: Partial<ApiOptions> = {}): ApiOptions {
  const log = (level: string) => (what: object, message: string) => void logs.push({ level, what: what as Record<string, unknown>, message });
  return { env: setup().env, log: { info: log('info'), warn: log('warn'), error: log('error') }, pace: QUICK, lagMs: LAG_MS, ...more };
}

function keep(source: WatchedSource): WatchedSource {
  setup().atEnd(() => source.close());
  return source;
}

describe('configmap:NAMESPACE/NAME[/KEY]', () => {
  test.each([
    ['configmap:shop/limits', { namespace: 'shop', name: 'limits', key: 'spillway.yaml' }],
    ['configmap:shop/limits/prod.yaml', { namespace: 'shop', name: 'limits', key: 'prod.yaml' }],
    ['configmap:limits', { namespace: undefined, name: 'limits', key: 'spillway.yaml' }],
    ['configmap:/limits/prod.yaml', { namespace: undefined, name: 'limits', key: 'prod.yaml' }],
    ['configmap:', undefined],
    ['configmap:shop/', undefined],
    ['configmap:Shop/limits', undefined],
    ['configmap:shop/Limits', undefined],
    ['configmap:shop/a/b/c', undefined],
    ['configmap:shop/limits/a key', undefined],
    ['configmap:../../x', undefined],
    ['spillway.yaml', undefined],
  ])('%s', (text, expected) => {
    expect(parseConfigMapName(text)).toEqual(expected);
  });

  test('the namespace is the pod’s when none is given', async () => {
    const { api } = setup();
    api.edit('v0', 'prod.yaml');
    const source = keep(configMapSource(parseConfigMapName('configmap:/spillway/prod.yaml')!, options()));
    await source.open(onText, onError);
    expect(texts).toEqual(['v0']);
    expect(source.name).toBe('configmap:spillway/prod.yaml');
    expect(source.state()).toMatchObject({ source: 'configmap:spillway/prod.yaml', newest: 'api', fileFollows: null });
  });

  test('and without a pod it has to be named', async () => {
    const { env, account } = setup();
    await account.remove();
    const source = keep(configMapSource(parseConfigMapName('configmap:spillway')!, options({ env })));
    await expect(source.open(onText, onError)).rejects.toThrow('name the namespace, because there is no pod to take it from: configmap:NAMESPACE/spillway');
  });
});

describe('from the API alone', () => {
  test('it waits for the ConfigMap, says so, and gives edits', async () => {
    const { api } = setup();
    const source = keep(configMapSource(WANTED, options()));
    const opened = source.open(onText, onError);
    await until(() => logs.length === 1, 'the log');
    expect(logs[0]).toMatchObject({ level: 'warn', message: 'waiting for a configuration: the ConfigMap shop/spillway does not exist' });
    api.edit('v0');
    await opened;
    api.edit('v1');
    await until(() => texts.at(-1) === 'v1', 'the edit');
    api.store.delete('shop', 'spillway');
    await until(() => errors.length === 1, 'the news');
    expect(errors).toEqual(['the ConfigMap shop/spillway was deleted']);
    await until(() => source.state().connected, 'the state');
    expect(source.state()).toMatchObject({ connected: true, error: 'the ConfigMap shop/spillway was deleted', newest: 'api' });
  });

  test('a first text that is refused fails the start, and nothing stays open', async () => {
    const { api } = setup();
    api.edit('bad');
    const source = configMapSource(WANTED, options());
    const refuse = (): never => {
      throw new Error('refused');
    };
    await expect(source.open(refuse, onError)).rejects.toThrow('refused');
    await until(() => api.sockets.size === 0, 'nothing is open');
  });

  test('stopped while it waits, it ends', async () => {
    const { api } = setup();
    const source = configMapSource(WANTED, options());
    const opened = source.open(onText, onError);
    await until(() => logs.length === 1, 'the log');
    source.close();
    await expect(opened).rejects.toBeInstanceOf(SourceClosed);
    await until(() => api.sockets.size === 0, 'nothing is open');
  });

  test('a missing permission is told once, with the Role that is needed', async () => {
    const { api } = setup();
    api.edit('v0');
    api.allowed.list = false;
    const source = keep(configMapSource(WANTED, options()));
    const opened = source.open(onText, onError);
    await until(() => api.count('list') > 4, 'attempts');
    expect(logs).toHaveLength(1);
    expect(logs[0]!.message).toBe('edits do not arrive by the API server: the API server answered 403: configmaps is forbidden: User "system:serviceaccount:shop:default" cannot list resource "configmaps" in API group "" in the namespace "shop"');
    expect(logs[0]!.what['role']).toContain('resourceNames: [spillway], verbs: [get, list, watch]');
    api.allowed.list = true;
    await opened;
    await until(() => logs.length === 2, 'the end');
    expect(logs[1]).toMatchObject({ level: 'info', message: 'the API server answers again; edits arrive at once' });
  });
});

describe('beside a mounted file', () => {
  let volume: Volume;

  beforeEach(async () => {
    volume = await Volume.make({ 'spillway.yaml': 'v1' });
  });

  afterEach(() => volume.remove());

  function file(): Source {
    const path = volume.path('spillway.yaml');
    const begun = Promise.withResolvers<void>();
    let watching: { close(): void } | undefined;
    return {
      name: path,
      open(text, error) {
        const then = <T>(take: (value: T) => void) => (value: T): void => {
          take(value);
          begun.resolve();
        };
        watching = watchFile(path, { onText: then(text), onError: then(error), pollMs: 50 });
        return begun.promise;
      },
      close: () => watching?.close(),
    };
  }

  const mount = (text: string): Promise<void> => volume.write({ 'spillway.yaml': text });
  const begin = async (more: Partial<ApiOptions> = {}): Promise<WatchedSource> => {
    const source = keep(watchedBeside(file(), WANTED, options(more)));
    await source.open(onText, onError);
    return source;
  };

  test('the file starts it without an API server, and its edits count until there is one', async () => {
    const { api } = setup();
    await api.stop();
    const source = await begin();
    expect(texts).toEqual(['v1']);
    await mount('v2');
    await until(() => texts.at(-1) === 'v2', 'the file’s edit');
    expect(source.state()).toMatchObject({ connected: false, newest: 'file', fileFollows: true, resourceVersion: null, ageMs: null });
    api.edit('v3');
    await api.start();
    await until(() => texts.at(-1) === 'v3', 'the API’s text');
    expect(source.state()).toMatchObject({ newest: 'api' });
  });

  test('an edit is in force at once, and the file that lags never undoes it', async () => {
    const { api } = setup();
    api.edit('v1');
    const source = await begin();
    await until(() => source.state().connected, 'the watch');
    for (let i = 2; i <= 6; i++) {
      api.edit(`v${i}`);
      await until(() => texts.at(-1) === `v${i}`, 'the edit');
      if (i > 2) await mount(`v${i - 1}`);
    }
    await pause(200);
    await api.stop();
    await until(() => !source.state().connected, 'the loss');
    await mount('v6');
    await pause(200);
    expect(texts).toEqual(['v1', 'v2', 'v3', 'v4', 'v5', 'v6']);
    expect(errors).toEqual([]);
  });

  test('while the API server cannot be reached the file’s later change is taken', async () => {
    const { api } = setup();
    api.edit('v1');
    const source = await begin();
    await until(() => source.state().connected, 'the watch');
    api.edit('v2');
    await until(() => texts.at(-1) === 'v2', 'the edit');
    await api.stop();
    await until(() => !source.state().connected, 'the loss');
    // Edited while nobody but the kubelet saw it, which left v2 out.
    api.edit('v3');
    await mount('v3');
    await until(() => texts.at(-1) === 'v3', 'the file’s change');
    api.edit('v4');
    await mount('v4');
    await until(() => texts.at(-1) === 'v4', 'the next');
    await api.start();
    await until(() => source.state().connected, 'the return');
    expect(texts).toEqual(['v1', 'v2', 'v3', 'v4']);
  });

  test('a file that is ahead of a dead watch makes the API server be asked again', async () => {
    const { api } = setup();
    api.edit('v1');
    const source = await begin();
    await until(() => source.state().connected && api.watches.size === 1, 'the watch');
    for (const watch of api.watches) watch.freeze();
    api.edit('v2');
    await pause(50);
    expect(texts).toEqual(['v1']);
    await mount('v2');
    await until(() => texts.at(-1) === 'v2', 'the edit', 2000);
    expect(source.state().newest).toBe('api');
  });

  test('a mount that never follows is explained, once', async () => {
    const { api } = setup();
    api.edit('v1');
    const source = await begin();
    await until(() => source.state().connected, 'the watch');
    api.edit('v2');
    await until(() => logs.some(({ message }) => message.includes('does not follow')), 'the explanation');
    expect(source.state().fileFollows).toBe(false);
    api.edit('v3');
    await pause(LAG_MS + 100);
    expect(logs.filter(({ message }) => message.includes('subPath'))).toHaveLength(1);
  });

  test('a deleted ConfigMap is an error until it is back, even with the same text', async () => {
    const { api } = setup();
    api.edit('v1');
    const source = await begin();
    await until(() => source.state().connected, 'the watch');
    api.store.delete('shop', 'spillway');
    await until(() => errors.length === 1, 'the news');
    api.edit('v1');
    // Given again, so that the error is taken back; the keeper sees that nothing changed.
    await until(() => texts.length === 2, 'the text');
    expect(texts).toEqual(['v1', 'v1']);
  });

  test('a file that goes away is an error only while the API server is away, too', async () => {
    const { api } = setup();
    api.edit('v1');
    const source = await begin();
    await until(() => source.state().connected, 'the watch');
    await volume.remove();
    await until(() => logs.some(({ message }) => message.includes('cannot be read')), 'the log');
    expect(errors).toEqual([]);
  });

  test('a missing permission leaves the file to work alone', async () => {
    const { api } = setup();
    api.edit('v1');
    api.allowed.list = false;
    await begin();
    await until(() => api.count('list') > 4, 'attempts');
    await mount('v2');
    await until(() => texts.at(-1) === 'v2', 'the file’s edit');
    expect(logs.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test('closed before the API side is loaded, it opens nothing', async () => {
    const { api } = setup();
    api.fault = () => ({ refuse: UNAVAILABLE });
    const source = watchedBeside(file(), WANTED, options());
    const opened = source.open(onText, onError);
    source.close();
    await expect(opened).rejects.toBeInstanceOf(SourceClosed);
    await pause(100);
    expect(api.seen).toEqual([]);
  });

  test('no mount of its own, no complaint', async () => {
    expect(await whyNeverUpdated(volume.path('spillway.yaml'))).toBe(undefined);
  });
});
