/** `spillway demo`: everything on one machine, with nothing installed. */
import type { Io } from './command.ts';
import { banner, curlLine, reachable } from './demo/banner.ts';
import { DEMO_HELP, parseOptions, type DemoOptions } from './demo/options.ts';
import { openScreen, type Terminal } from './demo/screen.ts';
import { run } from './demo/show.ts';
import { openStage, type Stage } from './demo/stage.ts';
import { summary } from './demo/summary.ts';
import { CannotListen } from './listen.ts';

export async function demo(args: string[], io: Io, terminal: Terminal = process.stdout): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    io.stdout(DEMO_HELP);
    return 0;
  }
  let stage: Stage;
  try {
    stage = await openStage({ ...options, redisUrl: io.env['REDIS_URL'] || undefined });
  } catch (error) {
    if (!(error instanceof CannotListen)) throw error;
    io.stderr(`spillway demo: ${error.message}\nStop that process, or move the demo to other ports:\n  ${demoCommand(io)} --listen 127.0.0.1:4100 --admin 127.0.0.1:4101\n`);
    return 1;
  }
  try {
    return await perform(stage, options, io, terminal);
  } finally {
    await stage.close();
  }
}

async function perform(stage: Stage, { serveOnly, durationMs }: DemoOptions, io: Io, terminal: Terminal): Promise<number> {
  const sidecars = stage.sidecars.map(({ listen, admin }) => ({ listen: reachable(listen[0]!), admin: reachable(admin) }));
  const curl = curlLine(sidecars[0]!.listen, io.env);
  const screen = openScreen(banner({ sidecars, budgets: stage.budgets, curl, serveOnly }), io.stdout, terminal, io.env);
  try {
    const facts = await run({ stage, screen, signal: io.signal, clock: () => performance.now(), serveOnly, durationMs });
    screen.close();
    io.stdout(`\n${summary({ ...facts, next: nextSteps(io, serveOnly) })}`);
    return (facts.app?.failed ?? 0) === 0 ? 0 : 1;
  } finally {
    screen.close();
  }
}

function nextSteps(io: Io, serveOnly: boolean): string[] {
  return [
    ...(serveOnly ? [] : [`try it by hand         ${demoCommand(io)} --serve-only`]),
    `check a configuration  ${program()} validate spillway.yaml`,
    `run it                 ${program()} serve --config spillway.yaml`,
    'read on                README.md and docs/',
  ];
}

function demoCommand({ env }: Io): string {
  return env['npm_lifecycle_event'] === 'demo' ? 'npm run demo --' : `${program()} demo`;
}

/** In a checkout there is no program called spillway yet; npx finds the Node that npm ci brought. */
function program(): string {
  return process.argv[1]?.endsWith('.ts') ? 'npx node src/main.ts' : 'spillway';
}
