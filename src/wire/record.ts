/** Looking into values of unknown shape. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function field(value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

export function stringField(value: unknown, name: string): string | undefined {
  const found = field(value, name);
  return typeof found === 'string' ? found : undefined;
}

/** @returns undefined for what is not JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error code of Node, undici and ioredis. Errors of other realms are not `instanceof Error`, so the shape decides. */
export function codeOf(error: unknown): string | undefined {
  return stringField(error, 'code');
}

export function messageOf(error: unknown): string {
  return stringField(error, 'message') ?? (error instanceof Error ? error.message : String(error));
}
