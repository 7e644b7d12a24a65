/** `inject` over generated files. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { sidecarContainer, sidecarVolumes } from '../../../src/kubernetes/inject/container.ts';
import { inject, remove, type Outcome, type Wanted } from '../../../src/kubernetes/inject/inject.ts';
import { MARK } from '../../../src/kubernetes/inject/mark.ts';
import { file, valuesOf, type Plain } from './any-file.ts';
import { podsOf, sidecarOf } from './pods.ts';
import type { Manifest } from './strict.ts';

const wanted: fc.Arbitrary<Wanted> = fc.record({
  image: fc.constant('spillway:1'),
  configMap: fc.record({ namespace: fc.constantFrom(undefined, 'shop', 'platform'), name: fc.constantFrom('spillway', 'limits') }),
  watch: fc.constant(true),
  secrets: fc.constantFrom([], ['k'], ['k', 'r']),
  env: fc.boolean(),
});

function done(outcome: Outcome): string {
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  return outcome.text;
}

const runs = { numRuns: 100 };

test('twice is once, and taking it out gives every byte back', () => {
  fc.assert(
    fc.property(file, wanted, wanted, ({ text }, first, second) => {
      const once = done(inject(text, first));
      expect(once).not.toBe(text);
      expect(done(inject(once, first))).toBe(once);
      expect(done(remove(once))).toBe(text);
      // Other wishes give what they would have given at first.
      expect(done(inject(once, second))).toBe(done(inject(text, second)));
      expect(done(remove(text))).toBe(text);
    }),
    runs,
  );
});

test('what was there stays: every line, every comment, every value', () => {
  fc.assert(
    fc.property(file, wanted, ({ all, text }, wish) => {
      const changed = done(inject(text, wish));
      expect(isSubsequence(text.replaceAll(/\s+$/g, ''), changed)).toBe(true);
      for (const comment of text.match(/# (behind|indented|at the margin) \d+/g) ?? []) expect(changed).toContain(comment);
      const values = valuesOf(changed);
      expect(values.slice(0, all.length).map(withoutOurs(all))).toEqual(all);
    }),
    runs,
  );
});

test('each pod has the one sidecar, its volumes and, if wanted, where the SDKs find it', () => {
  fc.assert(
    fc.property(file, wanted, ({ all, text }, wish) => {
      const pods = podsOf(flat(valuesOf(done(inject(text, wish)))));
      const before = podsOf(flat(all));
      expect(pods).toHaveLength(before.length);
      for (const [i, pod] of pods.entries()) {
        const remote = pod.owner.metadata.namespace !== undefined && ![undefined, pod.owner.metadata.namespace].includes(wish.configMap.namespace);
        const { name } = wish.configMap;
        const grace = pod.spec.terminationGracePeriodSeconds;
        const sidecar = {
          image: wish.image,
          secrets: wish.secrets,
          source: remote ? ({ kind: 'api', namespace: 'platform', name } as const) : ({ kind: 'mounted', name, watch: true } as const),
          graceSeconds: grace === undefined ? 25 : Math.max(1, grace - 5),
        };
        expect(sidecarOf(pod)).toEqual(sidecarContainer(sidecar));
        expect(pod.spec.volumes!.slice(0, sidecarVolumes(sidecar).length)).toEqual(sidecarVolumes(sidecar));
        const names = pod.spec.initContainers!.map((one) => one.name);
        const at = names.indexOf('spillway');
        expect(names.slice(at + 1).filter((one) => /istio|linkerd/.test(one))).toEqual([]);
        if (at > 0) expect(names[at - 1]).toMatch(/istio|linkerd/);
        expect(pod.spec.serviceAccountName).toBe(before[i]!.spec.serviceAccountName ?? 'spillway');
        if (!wish.env) continue;
        for (const [k, { env = [] }] of pod.spec.containers.entries()) {
          const own = before[i]!.spec.containers[k]!.env ?? [];
          expect(env.slice(env.length - own.length)).toEqual(own);
          expect(new Set(env.map((one) => one.name))).toEqual(new Set(['OPENAI_BASE_URL', 'OPENAI_API_KEY', 'ANTHROPIC_BASE_URL', 'ANTHROPIC_API_KEY', ...own.map((one) => one.name)]));
        }
      }
    }),
    runs,
  );
});

function flat(values: readonly Plain[]): Manifest[] {
  return values.flatMap((value) => (value['kind'] === 'List' ? (value['items'] as Plain[]) : [value])) as unknown as Manifest[];
}

/** Nothing was taken away or moved: only put in between. */
function isSubsequence(text: string, inner: string): boolean {
  let at = 0;
  for (const sign of inner) if (sign === text[at]) at++;
  return at === text.length;
}

/** By names, and against what was there: independent of how `remove` works. */
function withoutOurs(all: readonly Plain[]): (value: Plain, i: number) => Plain {
  return (value, i) => {
    const copy = structuredClone(value);
    const originals = podsOf(flat([all[i]!]));
    for (const [k, { spec, owner }] of podsOf(flat([copy])).entries()) {
      const was = originals[k]!.spec;
      const pods = spec as unknown as Plain;
      if (was.serviceAccountName === undefined) delete pods['serviceAccountName'];
      drop(pods, 'initContainers', was.initContainers !== undefined, (name) => name === 'spillway');
      drop(pods, 'volumes', was.volumes !== undefined, (name) => name.startsWith('spillway-'));
      const before = new Map([...was.containers, ...(was.initContainers ?? [])].map((container) => [container.name, container.env]));
      for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
        const env = before.get(container.name);
        const own = new Set((env ?? []).map(({ name }) => name));
        drop(container as unknown as Plain, 'env', env !== undefined, (name) => !own.has(name));
      }
      unmark(owner as unknown as Plain, flat([all[i]!]).filter(({ kind }) => kind !== 'ConfigMap')[k] as unknown as Plain);
    }
    return copy;
  };
}

function drop(map: Plain, key: string, there: boolean, ours: (name: string) => boolean): void {
  const list = map[key] as { name: string }[] | undefined;
  if (list === undefined) return;
  map[key] = list.filter(({ name }) => !ours(name));
  if (!there) delete map[key];
}

function unmark(owner: Plain, original: Plain): void {
  const pod = (object: Plain): Plain => (object['kind'] === 'Pod' ? object : ((object['spec'] as Plain)['template'] ?? ((object['spec'] as { jobTemplate: { spec: Plain } }).jobTemplate.spec['template'] as Plain)) as Plain);
  const [now, was] = [pod(owner), pod(original)];
  const metadata = now['metadata'] as { annotations: Plain };
  delete metadata.annotations[MARK];
  if ((was['metadata'] as Plain | undefined)?.['annotations'] === undefined) delete (metadata as Plain)['annotations'];
  if (was['metadata'] === undefined) delete now['metadata'];
}
