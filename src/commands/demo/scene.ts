/** What is on stage: the two groups of the reference configuration, on providers that this machine simulates. */
import type { Environment } from '../../config/secrets.ts';
import type { SimModel } from '../../simulator/server.ts';

export interface SceneModel {
  readonly name: string;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
}

export interface SceneGroup {
  readonly name: string;
  readonly primary: string;
  readonly fallback: string;
}

const FALLBACK = 'bed-claude-4.5-haiku';

export const MODELS: readonly SceneModel[] = [
  { name: 'dev-claude', requestsPerMinute: 10, tokensPerMinute: 10_000 },
  { name: 'prod-claude', requestsPerMinute: 10, tokensPerMinute: 10_000 },
  { name: FALLBACK, requestsPerMinute: 1_800, tokensPerMinute: 3_600_000 },
];

export const DEV: SceneGroup = { name: 'dev-claude-with-fallback', primary: 'dev-claude', fallback: FALLBACK };
export const PROD: SceneGroup = { name: 'prod-claude-with-fallback', primary: 'prod-claude', fallback: FALLBACK };
export const GROUPS: readonly SceneGroup[] = [DEV, PROD];

export const PRIMARIES: readonly SceneModel[] = MODELS.filter(({ name }) => GROUPS.some(({ primary }) => primary === name));

const KEY = 'SPILLWAY_DEMO_KEY';

/** All that the sidecars see of an environment: a proxy set for the internet would not find providers of this machine. */
export function sceneEnvironment(redisUrl: string | undefined): Environment {
  return { [KEY]: 'sk-simulated', ...(redisUrl !== undefined && { REDIS_URL: redisUrl }) };
}

/** The outage lasts some seconds: its breaker shows itself, and the return, in that time. */
const BREAKER = 'policy: { breaker: { failures: 3, open: 2s } }\n';

/** @param keyPrefix of the budgets in Redis; undefined: in the process */
export function sceneConfig(simulatorUrl: string, keyPrefix: string | undefined): string {
  const models = MODELS.map(
    ({ name, requestsPerMinute, tokensPerMinute }) => `  ${name}:
    provider: openai
    baseUrl: ${simulatorUrl}/v1
    model: ${name}
    apiKey: { env: ${KEY} }
    limits: { requestsPerMinute: ${requestsPerMinute}, tokensPerMinute: ${tokensPerMinute} }
`,
  );
  const groups = GROUPS.map(({ name, primary, fallback }) => `  ${name}: { models: [${primary}], fallback: [${fallback}] }\n`);
  const redis = keyPrefix === undefined ? '' : `redis: { url: { env: REDIS_URL }, keyPrefix: ${keyPrefix} }\n`;
  return `version: 1\nmodels:\n${models.join('')}groups:\n${groups.join('')}${BREAKER}${redis}`;
}

/** The providers keep the limits themselves, so a mistake of the sidecar's budgets would come back as a true 429. */
export function simulatedModels(): SimModel[] {
  return MODELS.map(({ name, requestsPerMinute, tokensPerMinute }) => ({
    name,
    requestsPerMinute,
    tokensPerMinute,
    limiter: 'token-bucket',
    answerTokens: 40,
    firstTokenMs: 120,
    tokensPerSecond: 100,
  }));
}
