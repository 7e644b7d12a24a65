/** The keys that a mapping may have, read from the schema itself. */
import type * as z from 'zod/mini';
import type { Path } from './tree.ts';

type Any = z.core.$ZodTypes;

/** @param value what stands at the path: of several alternatives, the one that shares most keys with it counts. */
export function knownKeys(schema: z.core.$ZodType, path: Path, value: unknown): string[] {
  const written = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const shapes = shapesAt(schema as Any, path);
  const shared = (keys: readonly string[]): number => keys.filter((key) => written.includes(key)).length;
  return shapes.reduce<string[]>((best, keys) => (best.length === 0 || shared(keys) > shared(best) ? keys : best), []);
}

function shapesAt(schema: Any, path: Path): string[][] {
  const def = schema._zod.def;
  switch (def.type) {
    case 'prefault':
    case 'default':
    case 'optional':
    case 'nullable':
      return shapesAt(def.innerType as Any, path);
    case 'pipe':
      return shapesAt(def.in as Any, path);
    case 'union':
      return def.options.flatMap((option) => shapesAt(option as Any, path));
    case 'object': {
      if (path.length === 0) return [Object.keys(def.shape)];
      const next = def.shape[String(path[0])];
      return next ? shapesAt(next as Any, path.slice(1)) : [];
    }
    case 'record':
      return path.length === 0 ? [] : shapesAt(def.valueType as Any, path.slice(1));
    case 'array':
      return path.length === 0 ? [] : shapesAt(def.element as Any, path.slice(1));
    default:
      return [];
  }
}
