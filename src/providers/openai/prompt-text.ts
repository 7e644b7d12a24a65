import { isRecord, parseJson } from '../../wire/record.ts';

/** What the user wants, as far as it is text: the last message of the user, or the prompt of a completion. Parses the whole body. */
export function promptText(body: Buffer): string {
  const request = parseJson(body.toString());
  if (!isRecord(request)) return '';
  const { messages, prompt, input } = request;
  if (!Array.isArray(messages)) return textOf(prompt ?? input);
  const last = messages.findLast((message) => isRecord(message) && message['role'] === 'user') as unknown;
  return isRecord(last) ? textOf(last['content']) : '';
}

/** A text, or the texts among parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: unknown) => (typeof part === 'string' ? part : isRecord(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('\n');
}
