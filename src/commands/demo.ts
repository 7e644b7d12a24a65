import type { Io } from './command.ts';

export async function demo(_args: string[], io: Io): Promise<number> {
  io.stderr('demo: coming\n');
  return 1;
}
