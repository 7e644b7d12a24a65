/** The schema of the chart's values. What stands under `config` is our configuration, so its schema is ours. */
import type { JsonSchema } from '../src/config/json-schema.ts';

const text = { type: 'string' };
const flag = { type: 'boolean' };
const strings = { type: 'object', additionalProperties: text };
const names = { type: 'array', items: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$' }, uniqueItems: true };

export function chartSchema(configuration: JsonSchema): object {
  // A schema inside another has no dialect and no name of its own.
  const { $schema: _dialect, $id: _name, ...config } = configuration;
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the Spillway chart',
    ...section({
      // Helm adds these to the values of a chart that another one depends on.
      global: { type: 'object' },
      enabled: flag,
      image: section({ repository: { ...text, minLength: 1 }, tag: text, digest: { ...text, pattern: '^(sha256:[0-9a-f]{64})?$' }, pullPolicy: { enum: ['', 'Always', 'IfNotPresent', 'Never'] } }),
      // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's word
      config: { type: 'object', if: { minProperties: 1 }, then: forGo(config) },
      configMap: section({ name: text }),
      watch: flag,
      secrets: names,
      graceSeconds: { type: 'integer', minimum: 1 },
      user: { type: ['integer', 'null'], minimum: 1 },
      resources: { type: 'object', properties: { requests: strings, limits: strings }, additionalProperties: false },
      serviceAccounts: names,
      podMonitor: section({ enabled: flag, interval: text, labels: strings, podLabels: strings }),
      prometheusRule: section({ enabled: flag, labels: strings }),
      networkPolicy: section({ enabled: flag, podLabels: strings, redisPort: { type: 'integer', minimum: 1, maximum: 65_535 }, egress: { type: 'array', items: { type: 'object' } } }),
    }),
  };
}

function section(properties: Record<string, object>): object {
  return { type: 'object', properties, additionalProperties: false };
}

/** Helm's regular expressions know no \u: the character itself means the same to everybody. */
function forGo(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(forGo);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === 'pattern' && typeof value === 'string' ? value.replace(/\\u([0-9A-Fa-f]{4})/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16))) : forGo(value),
    ]),
  );
}
