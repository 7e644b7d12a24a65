/** /audio: sound from text, and text from sound. */
import { endCall, type Exchange } from '../exchange.ts';
import type { LiveModel } from '../models.ts';
import { seeded } from '../random.ts';
import { createSink } from '../sink.ts';
import { checkFirst, inRange, missing, one, text, type Json } from './check.ts';
import { refusal } from './errors.ts';
import { commonHeaders, type Headers } from './headers.ts';
import { callWith, faultFor, modelCall, survives, tell, type Asked, type Checked } from './model-call.ts';
import { formOf } from './uploads.ts';

type SpeechRequest = Asked & { input: string; type: string };

const TYPES: Record<string, string> = { mp3: 'audio/mpeg', opus: 'audio/opus', aac: 'audio/aac', flac: 'audio/flac', wav: 'audio/wav', pcm: 'audio/pcm' };
const MOST_TEXT = 4096;
const MOST_SOUND = 25 * 1024 * 1024;
const BYTES_OF_A_LETTER = 1000;

export function speech(exchange: Exchange): Promise<void> {
  return modelCall(exchange, { check: checkSpeech, answer: speak });
}

function checkSpeech(body: Json): Checked<SpeechRequest> {
  const { input, voice, speed, response_format: format } = body;
  if (input === undefined) return { refused: missing('input') };
  if (voice === undefined) return { refused: missing('voice') };
  const wrong = checkFirst(text('input', input), format === undefined ? undefined : one(Object.keys(TYPES))('response_format', format), speed === undefined ? undefined : inRange('decimal', 0.25, 4)('speed', speed));
  if (wrong !== undefined) return { refused: wrong };
  const said = String(input);
  if (said === '' || said.length > MOST_TEXT) {
    return { refused: refusal(400, `Invalid 'input': string too ${said === '' ? 'short' : 'long'}. Expected a string with length from 1 to ${MOST_TEXT}, but got a string with length ${said.length} instead.`, said === '' ? 'string_below_min_length' : 'string_above_max_length', 'input') };
  }
  return { request: { stream: false, promptTokens: Math.ceil(Buffer.byteLength(said) / 4), maxTokens: 0, input: said, type: TYPES[String(format ?? 'mp3')]! } };
}

/** In chunks, as it is spoken; never the same for two texts. */
async function speak(exchange: Exchange, model: LiveModel, request: SpeechRequest, limits: Headers): Promise<void> {
  const { core, res, call } = exchange;
  const fault = faultFor(exchange, model.name);
  if (!(await survives(exchange, fault, limits, model))) return;
  call.status = 200;
  res.writeHead(200, { 'content-type': request.type, ...commonHeaders(exchange), ...limits, ...fault.headers });
  const sink = createSink(res, { random: core.random });
  const random = seeded([...request.input].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)!) >>> 0, 7));
  for (const [i] of [...request.input].entries()) {
    if (i === fault.cut) {
      await sink.cut();
      return endCall(exchange, 'cut');
    }
    const sound = Buffer.from(Array.from({ length: BYTES_OF_A_LETTER }, () => Math.floor(random() * 256)));
    if (!(await sink.write(sound))) return endCall(exchange, 'client-left');
  }
  await sink.end();
  endCall(exchange, 'complete');
}

type TranscriptionRequest = Asked & { format: string; size: number };

export async function transcriptions(exchange: Exchange): Promise<void> {
  const form = await formOf(exchange, MOST_SOUND);
  if (form === undefined) return;
  const check = (body: Json): Checked<TranscriptionRequest> => {
    if (form.file?.field !== 'file') return { refused: missing('file') };
    const format = body['response_format'] ?? 'json';
    const wrong = one(['json', 'text', 'srt', 'verbose_json', 'vtt'])('response_format', format);
    return wrong === undefined ? { request: { stream: false, promptTokens: 0, maxTokens: 0, format: String(format), size: form.file.size } } : { refused: wrong };
  };
  await callWith(exchange, Object.fromEntries(form.fields), { check, answer: transcribe });
}

async function transcribe(exchange: Exchange, model: LiveModel, { format, size }: TranscriptionRequest, limits: Headers): Promise<void> {
  const fault = faultFor(exchange, model.name);
  if (!(await survives(exchange, fault, limits, model))) return;
  const heard = `A recording of ${size} bytes.`;
  const isJson = format === 'json' || format === 'verbose_json';
  const usage = { type: 'duration', seconds: Math.ceil(size / 16_000) };
  const headers = isJson ? limits : { ...limits, 'content-type': 'text/plain; charset=utf-8' };
  await tell(exchange, model, fault, headers, { chunks: undefined, whole: () => (isJson ? JSON.stringify({ text: heard, usage }) : `${heard}\n`), tokens: 0 });
}
