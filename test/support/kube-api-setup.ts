/** A server, its service account's files, and reflectors on them, for one test each. What a test leaves open fails it. */
import { afterEach, beforeEach, expect } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { inCluster } from '../../src/kubernetes/in-cluster.ts';
import type { Pace } from '../../src/kubernetes/pace.ts';
import { Reflector, type ReflectorOptions } from '../../src/kubernetes/reflector.ts';
import { realTime } from '../../src/kubernetes/time.ts';
import { KubeApi, NAME, NAMESPACE } from './kube-api.ts';
import { Volume } from './kube-api-volume.ts';

/** A hundredth of the real pace, and not less than a busy machine keeps. */
export const QUICK: Partial<Pace> = { retryMs: 10, longestRetryMs: 300, openMs: 800, watchSeconds: [240, 360], slackMs: 300, shortestWatchMs: 50, longWatchMs: 2000, promptMs: 20, relistMs: 60_000, bookmarkSilenceMs: 60_000 };

export interface Watched {
  readonly reflector: Reflector;
  readonly texts: string[];
  /** Messages; '' when all was well again. */
  readonly troubles: string[];
  readonly remedies: string[];
  readonly mistakes: string[];
}

export interface Setup {
  readonly api: KubeApi;
  readonly account: Volume;
  readonly env: Record<string, string>;
  /** With the pace of a test. */
  reflect(options?: Partial<ReflectorOptions>): Watched;
  /** As the kubelet does when a token or the authority was replaced. */
  writeAccount(token: string): Promise<void>;
  /** Done after the test, before it is looked what is still open. */
  atEnd(close: () => void): void;
}

/** One for each test of the file. */
export function kubernetes(): () => Setup {
  let setup: Setup | undefined;
  let reflectors: Reflector[] = [];
  let closing: (() => void)[] = [];
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);

  beforeEach(async () => {
    process.on('unhandledRejection', onRejection);
    const api = await new KubeApi().start();
    const account = await Volume.make({ token: 'token-1', 'ca.crt': api.authority.ca, namespace: NAMESPACE });
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port), SPILLWAY_SERVICE_ACCOUNT: account.directory };
    setup = {
      api,
      account,
      env,
      reflect(options = {}) {
        const watched: Omit<Watched, 'reflector'> = { texts: [], troubles: [], remedies: [], mistakes: [] };
        const reflector = new Reflector({
          cluster: inCluster(env),
          target: { namespace: NAMESPACE, name: NAME, key: 'spillway.yaml' },
          time: realTime,
          pace: QUICK,
          onText: (text) => void watched.texts.push(text),
          onMistake: (message) => void watched.mistakes.push(message),
          onTrouble(trouble) {
            watched.troubles.push(trouble?.message ?? '');
            if (trouble?.remedy !== undefined) watched.remedies.push(trouble.remedy);
          },
          ...options,
        });
        reflectors.push(reflector);
        return { reflector, ...watched };
      },
      atEnd: (close) => void closing.push(close),
      writeAccount: (token) => account.write({ token, 'ca.crt': api.authority.ca, namespace: NAMESPACE }),
    };
  });

  afterEach(async () => {
    const { api, account } = setup!;
    try {
      for (const close of closing) close();
      closing = [];
      await Promise.all(reflectors.map((reflector) => reflector.stop()));
      reflectors = [];
      await until(() => api.watches.size === 0 && api.sockets.size === 0, 'nothing is open after stop');
      await pause(0);
      expect(rejections).toEqual([]);
    } finally {
      process.off('unhandledRejection', onRejection);
      rejections.length = 0;
      await api.stop();
      await account.remove();
    }
  });
  return () => setup!;
}

export async function until(holds: () => boolean, what: string, ms = 5000): Promise<number> {
  const began = performance.now();
  while (!holds()) {
    if (performance.now() - began > ms) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await pause(2);
  }
  return performance.now() - began;
}
