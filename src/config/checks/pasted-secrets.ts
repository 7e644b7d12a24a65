/** Keys pasted into the file, wherever: as a value, a name, a header, or under a wrong key. */
import type { Finding } from '../issues.ts';
import { looksLikeSecret } from '../looks-like-secret.ts';
import type { Path } from '../tree.ts';

export const SECRET_MESSAGE =
  'this looks like a secret, and secrets do not stand in the configuration: put it into an environment variable or a file and write { env: NAME } or { file: PATH }';

export function pastedSecrets(root: unknown): Finding[] {
  const found: Finding[] = [];
  search(root, [], found);
  return found;
}

function search(value: unknown, path: Path, found: Finding[]): void {
  if (typeof value === 'string' && looksLikeSecret(value)) found.push({ path, at: 'value', message: SECRET_MESSAGE });
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const there = [...path, Array.isArray(value) ? Number(key) : key];
    if (looksLikeSecret(key)) found.push({ path: there, at: 'key', message: SECRET_MESSAGE });
    search(inner, there, found);
  }
}
