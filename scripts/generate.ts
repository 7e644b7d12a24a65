/**
 * `npm run generate`: writes what is published of the configuration's schema. `--check` writes nothing and exits 1 if a
 * committed file is not what would be written.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publishedSchema } from '../src/config/json-schema.ts';
import { configurationReference } from '../src/config/reference.ts';
import { kubernetesFiles } from './kubernetes-files.ts';

const ROOT = join(import.meta.dirname, '..');
const EXAMPLE = 'docs/examples/several-fallbacks.yaml';

export interface Generated {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

export function generated(): Generated[] {
  return [
    { path: 'spillway.schema.json', text: `${JSON.stringify(publishedSchema(), null, 2)}\n` },
    { path: 'docs/configuration.md', text: configurationReference(readFileSync(join(ROOT, EXAMPLE), 'utf8')) },
    ...kubernetesFiles(),
  ];
}

function committed(path: string): string | undefined {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch {
    return undefined;
  }
}

function main(args: readonly string[]): number {
  const differing = generated().filter(({ path, text }) => committed(path) !== text);
  if (args.includes('--check')) {
    for (const { path } of differing) process.stderr.write(`${path} is not what the schema says: npm run generate\n`);
    return differing.length === 0 ? 0 : 1;
  }
  for (const { path, text } of differing) {
    writeFileSync(join(ROOT, path), text);
    process.stdout.write(`wrote ${path}\n`);
  }
  return 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
