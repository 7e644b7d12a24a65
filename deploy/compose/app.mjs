/** An app as the sidecar sees it: it knows one address on localhost and the name of a group, and nothing of providers. */
import { setTimeout as pause } from 'node:timers/promises';

const url = process.env.APP_URL ?? 'http://localhost:4000/v1/chat/completions';
const everyMs = Number(process.env.APP_EVERY_MS ?? 1000);

// Node is PID 1 in its container: without a handler it would not hear of a stop.
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop.abort());

for (let n = 1; !stop.signal.aborted; n++) {
  console.log(`${String(n).padStart(4)}  ${await ask(n)}`);
  await pause(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
}

async function ask(n) {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: `Question ${n}` }] }),
      signal: stop.signal,
    });
    const answer = await response.json();
    if (!response.ok) return `${response.status} ${answer.error?.message}`;
    const reason = response.headers.get('x-spillway-reason');
    return `${response.headers.get('x-spillway-model')}${reason ? `, because of ${reason}` : ''}: ${answer.usage.total_tokens} tokens`;
  } catch (error) {
    // Containers of a pod start together: the sidecar may be a moment late.
    return stop.signal.aborted ? 'stopped' : `no answer yet (${error.cause?.code ?? error.message})`;
  }
}
