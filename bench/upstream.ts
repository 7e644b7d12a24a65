/** The lightest upstream that an OpenAI client would take: fixed answers, so that a run measures what stands before it. */
import { createServer } from 'node:http';

const text = 'lorem ipsum dolor sit amet '.repeat(60);
const usage = { prompt_tokens: 20, completion_tokens: 400, total_tokens: 420 };
const json = Buffer.from(
  JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }], usage }),
);
const chunk = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }], usage: null })}\n\n`;
const first = chunk({ role: 'assistant', content: '' }, null);
const word = chunk({ content: ' lorem' }, null);
const last = `${chunk({}, 'stop')}data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage })}\n\ndata: [DONE]\n\n`;

/** Words of a stream, and the pause between two in ms; 0 sends all at once. */
const WORDS = 50;
const PACE_MS = 5;

const STREAM = /"stream":true/;
const PACED = Buffer.from('"paced"');

createServer((req, res) => {
  const pieces: Buffer[] = [];
  req.on('data', (piece: Buffer) => pieces.push(piece));
  req.on('end', () => {
    const body = Buffer.concat(pieces);
    if (!STREAM.test(body.toString('latin1'))) {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': json.length }).end(json);
      return;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    if (!body.includes(PACED)) {
      res.end(first + word.repeat(WORDS) + last);
      return;
    }
    res.write(first + word);
    let sent = 1;
    const timer = setInterval(() => {
      if (++sent < WORDS) return void res.write(word);
      clearInterval(timer);
      res.end(word + last);
    }, PACE_MS);
  });
})
  .listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('ready\n'));
