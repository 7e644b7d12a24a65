/** Generated files: any workload in any style of writing. */
import fc from 'fast-check';
import { Document, isCollection, isScalar, parseAllDocuments, visit } from 'yaml';

export type Plain = Record<string, unknown>;

/** Sometimes there. */
function maybe(key: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<Plain> {
  return fc.option(value, { nil: undefined }).map((one) => (one === undefined ? {} : { [key]: one }));
}

function joined(...parts: fc.Arbitrary<Plain>[]): fc.Arbitrary<Plain> {
  return fc.tuple(...parts).map((all) => Object.assign({}, ...all) as Plain);
}

const text = fc.constantFrom('x', 'a: b', '# no comment', 'true', '1', '', "it's", 'one\ntwo\n', '  indented\n# no comment\n', 'kept\n\n\n', '- a', '---', '{{ x }}', 'é\t"');
const variable = joined(fc.constantFrom('OPENAI_BASE_URL', 'OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'OWN', 'MORE').map((name) => ({ name })), fc.oneof(text.map((value) => ({ value })), fc.constant({ valueFrom: { secretKeyRef: { name: 's', key: 'k' } } })));
const env = maybe('env', fc.uniqueArray(variable, { selector: ({ name }) => name, maxLength: 3 }));
const rest = joined(maybe('image', fc.constant('example/app:1')), maybe('args', fc.array(text, { minLength: 1, maxLength: 2 })), maybe('command', text.map((script) => ['sh', '-c', script])));
const container = (name: string): fc.Arbitrary<Plain> => joined(fc.constant({ name }), rest, env, maybe('tty', fc.constant(true)));
const containers = fc.integer({ min: 1, max: 3 }).chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => container(`app-${i}`))));
const inits = maybe('initContainers', fc.uniqueArray(fc.constantFrom('istio-init', 'linkerd-init', 'migrate', 'fetch').map((name) => ({ name, image: 'i' })), { selector: ({ name }) => name, maxLength: 3 }));
const volumes = maybe('volumes', fc.uniqueArray(fc.constantFrom('own', 'data').map((name) => ({ name, emptyDir: {} })), { selector: ({ name }) => name, maxLength: 2 }));
const others = joined(maybe('terminationGracePeriodSeconds', fc.integer({ min: 0, max: 600 })), maybe('nodeSelector', fc.constant({})), maybe('restartPolicy', fc.constant('Never')), maybe('serviceAccountName', fc.constantFrom('own', 'spillway')));
/** Keys in any order. */
const order = fc.array(fc.nat(), { minLength: 10, maxLength: 10 });
const spec = fc.tuple(joined(containers.map((all) => ({ containers: all })), inits, volumes, others), order).map(([one, order]) => shuffled(one, order));
const metadata = maybe('metadata', joined(maybe('labels', fc.constant({ app: 'x' })), maybe('annotations', fc.dictionary(fc.constantFrom('a/b', 'c'), text, { maxKeys: 2 }))));
const template = fc.tuple(joined(metadata, spec.map((one) => ({ spec: one }))), order).map(([one, order]) => shuffled(one, order));

const workload = fc.tuple(fc.constantFrom('Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'CronJob', 'Pod'), template, fc.constantFrom(undefined, 'shop')).map(([kind, pod, namespace]) => workloadOf(kind, pod, namespace));

function workloadOf(kind: string, pod: Plain, namespace: string | undefined): Plain {
  const apiVersion = kind === 'Pod' ? 'v1' : /Job/.test(kind) ? 'batch/v1' : 'apps/v1';
  const named = { name: 'checkout', ...(namespace && { namespace }) };
  if (kind === 'Pod') return { apiVersion, kind, ...pod, metadata: { ...(pod['metadata'] as Plain), ...named } };
  return { apiVersion, kind, metadata: named, spec: kind === 'CronJob' ? { jobTemplate: { spec: { template: pod } } } : { template: pod } };
}

const bystander = fc.record({ apiVersion: fc.constant('v1'), kind: fc.constant('ConfigMap'), metadata: fc.constant({ name: 'c' }), data: fc.dictionary(fc.constantFrom('a', 'b'), text) });
const objects = fc.tuple(fc.array(bystander, { maxLength: 1 }), fc.array(workload, { minLength: 1, maxLength: 2 }), fc.boolean()).map(([first, workloads, list]) => documents((first as Plain[]).concat(workloads), list));

function documents(items: Plain[], list: boolean): Plain[] {
  return list ? [{ apiVersion: 'v1', kind: 'List', items }] : items;
}

function shuffled(object: Plain, order: readonly number[]): Plain {
  return Object.fromEntries(Object.entries(object).map((entry, i) => ({ entry, at: order[i]! })).toSorted((a, b) => a.at - b.at).map(({ entry }) => entry));
}

interface Style {
  readonly json: number | undefined;
  readonly indentSeq: boolean;
  readonly indent: number;
  readonly crlf: boolean;
  readonly end: boolean;
  readonly start: boolean;
  readonly odds: readonly number[];
}

const style: fc.Arbitrary<Style> = fc.record({
  json: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constantFrom(0, 2) }),
  indentSeq: fc.boolean(),
  indent: fc.constantFrom(2, 4),
  crlf: fc.boolean(),
  end: fc.boolean(),
  start: fc.boolean(),
  odds: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 40, maxLength: 40 }),
});

/** With flow collections, quotes, comments and empty lines where chance wants them. */
function written(object: Plain, { json, indentSeq, indent, odds }: Style): string {
  if (json !== undefined) return `${JSON.stringify(object, null, json)}\n`;
  let n = 0;
  const odd = (): number => odds[n++ % odds.length]!;
  const document = new Document(object);
  visit(document, {
    Node(_, node) {
      if (isCollection(node) && odd() === 0) node.flow = true;
      if (isScalar(node) && typeof node.value === 'string' && odd() === 1) node.type = 'QUOTE_DOUBLE';
    },
  });
  const lines = document.toString({ indentSeq, indent, lineWidth: 0 }).split('\n');
  return lines.map((line, i) => extra(odd(), i) + (odd() === 2 && /[\w}\]"]$/.test(line) ? `${line}   # behind ${i}` : line)).join('\n');
}

function extra(odd: number, i: number): string {
  if (odd === 3) return `# at the margin ${i}\n`;
  if (odd === 4) return `\n          # indented ${i}\n`;
  return odd === 5 ? '\n' : '';
}

export function valuesOf(text: string): Plain[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() as Plain;
  });
}

/** A file, and what it says. */
export const file = fc.tuple(objects, style).map(([all, how]) => {
  // What chance put into the middle of a text would change it.
  const texts = all.map((object) => {
    const decorated = written(object, how);
    try {
      if (JSON.stringify(valuesOf(decorated)) === JSON.stringify([object])) return decorated;
    } catch {
      // Not even YAML.
    }
    return written(object, { ...how, odds: [9] });
  });
  let text = (how.start ? '---\n' : '') + texts.join('---\n');
  if (!how.end) text = text.replace(/\n+$/, '');
  // The truth is what it says now: the printer of YAML has its own mistakes.
  return { all: valuesOf(text), text: how.crlf ? text.replaceAll('\n', '\r\n') : text };
});
