/** The run itself: looks at the sidecars again and again, sends the app's traffic, fails a provider part way. */
import { setTimeout as wait } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { reachable } from './banner.ts';
import { Client } from './client.ts';
import { figuresOf, type Figures } from './figures.ts';
import type { DemoOptions } from './options.ts';
import { outageOf, stageOutage } from './outage.ts';
import { GROUPS, MODELS, PRIMARIES } from './scene.ts';
import type { Screen } from './screen.ts';
import type { Stage } from './stage.ts';
import { Story } from './story.ts';
import type { SummaryFacts } from './summary.ts';
import { beatMs, visitsAt } from './traffic.ts';
import { answeredOf } from './view.ts';

export interface ShowOptions extends Pick<DemoOptions, 'serveOnly' | 'durationMs'> {
  readonly stage: Stage;
  readonly screen: Screen;
  /** Aborted: the run ends now. */
  readonly signal: AbortSignal;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
}

const LOOK_MS = 200;
const MINUTE_MS = 60_000;

export async function run({ stage, screen, signal, clock, serveOnly, durationMs }: ShowOptions): Promise<Omit<SummaryFacts, 'next'>> {
  const startedAt = clock();
  const elapsed = (): number => clock() - startedAt;
  const story = new Story(GROUPS, (event) => screen.event(event));
  const metrics = metricsReader(stage);
  const client = serveOnly ? undefined : new Client({ urls: stage.sidecars.map(({ listen }) => reachable(listen[0]!)), onFailure: (text) => story.tell(elapsed(), text, 'bad') });
  const look = async (): Promise<Figures> => {
    const figures = await metrics.read();
    const at = elapsed();
    story.see(figures, at);
    screen.show({ at, durationMs: serveOnly ? undefined : durationMs, figures, groups: GROUPS, serving: (group) => story.serving(group), client, events: story.events });
    return figures;
  };

  const over = new AbortController();
  const ended = AbortSignal.any([signal, over.signal]);
  const traffic = async (app: Client): Promise<void> => {
    const timed = AbortSignal.any([ended, AbortSignal.timeout(durationMs)]);
    const outage = stageOutage(outageOf(durationMs), stage.simulator, story);
    let beat = 0;
    await repeat(timed, beatMs(durationMs), () => {
      outage(elapsed());
      for (const visit of visitsAt(beat++)) app.send(visit);
    });
    await app.finish();
    over.abort();
  };
  try {
    const looking = repeat(ended, LOOK_MS, async () => void (await look()));
    await Promise.all([looking, client && traffic(client)]);
    const figures = await look();
    return { at: elapsed(), stoppedEarly: !serveOnly && signal.aborted, app: client, answered: answeredOf(figures.models), groups: GROUPS, primaries: primaryFacts(stage, figures) };
  } finally {
    over.abort();
    await metrics.close();
  }
}

function primaryFacts({ simulator }: Stage, figures: Figures): SummaryFacts['primaries'] {
  const { models } = simulator.stats();
  return PRIMARIES.map((model) => {
    const stats = models[model.name];
    const worst = stats?.worstWindow(MINUTE_MS) ?? { calls: 0, tokens: 0 };
    return { model, worst, rejected429: stats?.rejected429 ?? 0, calls: figures.models.get(model.name)?.calls ?? [] };
  });
}

function metricsReader({ sidecars }: Stage): { read(): Promise<Figures>; close(): Promise<void> } {
  // Its own: a proxy in the environment is not for this machine.
  const dispatcher = new Agent();
  const names = MODELS.map(({ name }) => name);
  const textOf = async (url: string): Promise<string> => (await request(url, { dispatcher })).body.text();
  return {
    read: async () => figuresOf(await Promise.all(sidecars.map(({ admin }) => textOf(`${reachable(admin)}/metrics`))), names),
    close: () => dispatcher.close(),
  };
}

/** Until it is aborted; never two at the same time. */
async function repeat(signal: AbortSignal, everyMs: number, act: () => void | Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await act();
    await wait(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
