/** Faults as users write them: JSON, `status=503,probability=0.1`, or `[[sim:cut=40]]` in a prompt. */
import type { Fault, FaultSpec } from './faults.ts';

type Kind = 'whole' | 'number' | 'text' | 'flag' | 'stall' | 'filter' | 'encoding' | 'share' | 'headers' | 'count' | 'status';

const KINDS: Record<keyof FaultSpec, Kind> = {
  status: 'status', code: 'text', retryAfter: 'number', body: 'text', headers: 'headers',
  delayMs: 'number', firstTokenMs: 'number', tokensPerSecond: 'number', answerTokens: 'whole',
  reset: 'flag', hang: 'flag', cut: 'whole', close: 'whole', stall: 'stall', malformed: 'whole', errorEvent: 'whole',
  noDone: 'flag', emptyBody: 'flag', notJson: 'flag', truncatedJson: 'flag', contextLength: 'flag',
  contentFilter: 'filter', usageMissing: 'flag', encoding: 'encoding', crlf: 'flag', slowBytes: 'flag',
  model: 'text', count: 'count', skip: 'whole', probability: 'share',
};

const WANTED: Record<Kind, string> = {
  whole: 'a whole number from 0', number: 'a number from 0', text: 'a text', flag: 'true or false',
  stall: 'AFTER:MS, or {after, ms}', filter: 'error or finish', encoding: 'gzip, deflate, br or zstd',
  share: 'a number from 0 to 1', headers: 'an object of texts', count: 'a whole number from 1, or "forever"',
  status: 'a status from 200 to 599',
};

export type Parsed = { spec: FaultSpec } | { problem: string };

/** Of JSON that somebody sent. */
export function parseFault(value: unknown): Parsed {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: 'a fault is a JSON object' };
  const spec: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(value)) {
    const kind = kindOf(key);
    if (kind === undefined) return { problem: `unknown fault '${key}'; known are ${Object.keys(KINDS).join(', ')}` };
    const read = readValue(kind, given);
    if (read === undefined) return { problem: `'${key}' must be ${WANTED[kind]}` };
    spec[key] = read;
  }
  return { spec: spec as FaultSpec };
}

/** `key=value,key=value`; a key alone means true. */
export function parseFaultText(text: string): Parsed {
  const entries = text.split(',').filter((part) => part.trim() !== '').map((part) => {
    const [key = '', ...rest] = part.split('=');
    return [key.trim(), rest.length === 0 ? true : fromText(key.trim(), rest.join('=').trim())] as const;
  });
  return entries.length === 0 ? { problem: 'empty fault' } : parseFault(Object.fromEntries(entries));
}

const DIRECTIVE = /\[\[sim:([^\]]*)\]\]/g;

/** All directives of a prompt as one fault; what cannot be read is left out, a prompt is no place for errors. */
export function directivesIn(prompt: string): { fault: Fault | undefined; rest: string } {
  if (!prompt.includes('[[sim:')) return { fault: undefined, rest: prompt };
  const fault: Fault = {};
  for (const [, text = ''] of prompt.matchAll(DIRECTIVE)) {
    const parsed = parseFaultText(text);
    if ('spec' in parsed) Object.assign(fault, parsed.spec);
  }
  return { fault, rest: prompt.replace(DIRECTIVE, '') };
}

function kindOf(key: string): Kind | undefined {
  return Object.hasOwn(KINDS, key) ? KINDS[key as keyof FaultSpec] : undefined;
}

function fromText(key: string, text: string): unknown {
  const kind = kindOf(key);
  if (kind === 'text' || kind === 'filter' || kind === 'encoding' || text === '') return text;
  if (kind === 'stall') {
    const [after, ms] = text.split(':').map(Number);
    return { after, ms };
  }
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function readValue(kind: Kind, given: unknown): unknown {
  const isNumber = typeof given === 'number' && Number.isFinite(given) && given >= 0;
  switch (kind) {
    case 'whole': return isNumber && Number.isInteger(given) ? given : undefined;
    case 'number': return isNumber ? given : undefined;
    case 'share': return isNumber && given <= 1 ? given : undefined;
    case 'status': return isNumber && Number.isInteger(given) && given >= 200 && given <= 599 ? given : undefined;
    case 'text': return typeof given === 'string' ? given : undefined;
    case 'flag': return typeof given === 'boolean' ? given : undefined;
    case 'count':
      if (given === 'forever' || given === null) return Infinity;
      return isNumber && Number.isInteger(given) && given >= 1 ? given : undefined;
    case 'filter': return given === true ? 'error' : oneOf(given, ['error', 'finish']);
    case 'encoding': return oneOf(given, ['gzip', 'deflate', 'br', 'zstd']);
    case 'stall': return readStall(given);
    case 'headers': return isTexts(given) ? given : undefined;
  }
}

function oneOf(given: unknown, allowed: string[]): unknown {
  return typeof given === 'string' && allowed.includes(given) ? given : undefined;
}

function readStall(given: unknown): unknown {
  if (typeof given !== 'object' || given === null) return undefined;
  const { after, ms } = given as Record<string, unknown>;
  const good = readValue('whole', after) !== undefined && readValue('number', ms) !== undefined;
  return good ? { after, ms } : undefined;
}

function isTexts(given: unknown): boolean {
  return typeof given === 'object' && given !== null && Object.values(given).every((value) => typeof value === 'string');
}
