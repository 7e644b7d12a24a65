import type { Provider } from '../types.ts';
import { classify } from './errors.ts';

/** OpenAI, and every server that speaks its wire format. */
export function openai(wallClock: () => number): Provider {
  return {
    name: 'openai',
    defaultBaseUrl: 'https://api.openai.com/v1',
    paths: { chat: '/chat/completions', completions: '/completions', embeddings: '/embeddings' },
    authorize: (key) => ['authorization', `Bearer ${key}`],
    classify: (status, header, body) => classify(status, header, body, wallClock),
  };
}
