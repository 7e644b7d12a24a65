/**
 * Events that are damaged: their data is no JSON object, and the official clients throw on them. One is left out only if
 * nothing of an answer can have stood in it. In this dialect text and arguments stand in JSON objects, so that is shown by:
 * - no data, or only white space: by the standard no event at all, some servers' keep-alive;
 * - a keep-alive by its whole data (`ping`, `[keep-alive]`, `null`), or by its event's name with no piece of JSON in it;
 * - a place behind the finish of each choice: what comes there is no text any more (the reader's to know).
 * Everything else may be what is left of a text: half an object, an object with one wrong byte, a word of plain text.
 */
import { eventName } from '../../wire/sse.ts';

const KEEP_ALIVE = /^\[?"?(?:ping|pong|heartbeat|keep[-_]?alive)"?\]?$/i;
const NO_TEXT = /^(?:null|\s*)$/;
/** Longer data is no keep-alive. */
const LONGEST = 32;

export function isHarmless(event: Buffer, data: Buffer): boolean {
  if (data.length > LONGEST && data.some((byte) => byte > 0x20)) return false;
  const text = data.toString().trim();
  if (NO_TEXT.test(text) || KEEP_ALIVE.test(text)) return true;
  // The name alone may have come from the next event, when the end of a text's event was lost.
  return KEEP_ALIVE.test(eventName(event)) && !/["{[]/.test(text);
}
