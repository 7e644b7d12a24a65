/** The smallest value that a JSON schema allows, near enough: arguments of tool calls, answers in JSON mode. */
import { isObject, type Json } from './check.ts';

export function sample(schema: unknown, depth: number = 0): unknown {
  if (!isObject(schema) || depth > 8) return {};
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum']) && schema['enum'].length > 0) return schema['enum'][0];
  for (const key of ['anyOf', 'oneOf', 'allOf']) {
    const options = schema[key];
    if (Array.isArray(options) && options.length > 0) return sample(options[0], depth + 1);
  }
  const type: unknown = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'string': return 'sample text';
    case 'integer':
    case 'number': return typeof schema['minimum'] === 'number' ? schema['minimum'] : 1;
    case 'boolean': return true;
    case 'null': return null;
    case 'array': return [sample(schema['items'], depth + 1)];
    default: return sampleObject(schema, depth);
  }
}

function sampleObject(schema: Json, depth: number): Json {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  return Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, sample(inner, depth + 1)]));
}
