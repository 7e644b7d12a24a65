/** Which models a prompt is too long for, and where it goes instead; nothing is sent to find out. */

export interface Windowed {
  /** Tokens; undefined: any prompt may fit. */
  readonly contextWindow?: number | undefined;
}

export interface Ways<M> {
  /** The group's own models, in the order to be tried. */
  readonly own: readonly M[];
  readonly fallback: readonly M[];
  /** The models of `contextWindowFallback`; empty: it names none. */
  readonly forLong: readonly M[];
}

export interface Fitted<M> {
  readonly tried: readonly M[];
  /** Passed over as context_window; the prompt is too long for them. */
  readonly tooSmall: readonly M[];
  /** `forLong` stands in for `fallback`. */
  readonly instead: boolean;
}

/**
 * A model whose window is smaller than the prompt is passed over. If it is one of the group's own, `contextWindowFallback`
 * stands in for `fallback`. A prompt that no own model holds, and that has nowhere else to go, is sent all the same: the count
 * is an estimate, and a refusal is the upstream's to give.
 * @param tokens of the prompt, by estimate
 */
export function fitted<M extends Windowed>(tokens: number, { own, fallback, forLong }: Ways<M>): Fitted<M> {
  const ownFit = own.filter((model) => fits(model, tokens));
  const instead = ownFit.length < own.length && forLong.length > 0;
  const onwards = instead ? forLong : fallback;
  const onwardsFit = onwards.filter((model) => fits(model, tokens));
  const refused = ownFit.length === 0 && (!instead || onwardsFit.length === 0);
  const tried = [...(refused ? own : ownFit), ...onwardsFit];
  return { tried, tooSmall: [...own, ...onwards].filter((model) => !tried.includes(model)), instead };
}

export function fits({ contextWindow = Infinity }: Windowed, tokens: number): boolean {
  return tokens <= contextWindow;
}
