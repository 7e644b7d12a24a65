/** The rules of `messages`, as the real one words them. */
import { emptyArray, isObject, missing, wrongType, wrongValue, type Json } from './check.ts';
import { refusal, type Refusal } from './errors.ts';

const ROLES = ['system', 'assistant', 'user', 'function', 'tool', 'developer'];
const PARTS = ['text', 'image_url', 'input_audio', 'refusal', 'audio', 'file'];

export function checkMessages(messages: unknown): Refusal | undefined {
  if (messages === undefined) return missing('messages');
  if (!Array.isArray(messages)) return wrongType('messages', 'an array of objects', messages);
  if (messages.length === 0) return emptyArray('messages');
  for (const [i, message] of messages.entries()) {
    const wrong = checkMessage(message, `messages[${i}]`, i);
    if (wrong !== undefined) return wrong;
  }
  return checkToolTurns(messages as Json[]);
}

function checkMessage(message: unknown, name: string, index: number): Refusal | undefined {
  if (!isObject(message)) return wrongType(name, 'an object', message);
  const { role, content } = message;
  if (role === undefined) return missing(`${name}.role`);
  if (typeof role !== 'string' || !ROLES.includes(role)) return wrongValue(`${name}.role`, role, ROLES);
  if (typeof content === 'string') return undefined;
  if (Array.isArray(content)) return checkParts(content, `${name}.content`);
  const mayBeEmpty = role === 'assistant' && ['tool_calls', 'function_call', 'refusal', 'audio'].some((key) => message[key] !== undefined && message[key] !== null);
  if (mayBeEmpty && (content === undefined || content === null)) return undefined;
  if (content === undefined || content === null) {
    return refusal(400, "Invalid value for 'content': expected a string, got null.", null, `messages.[${index}].content`);
  }
  return wrongType(`${name}.content`, 'one of a string or array of objects', content);
}

function checkParts(parts: unknown[], name: string): Refusal | undefined {
  if (parts.length === 0) return emptyArray(name);
  for (const [i, part] of parts.entries()) {
    const own = `${name}[${i}]`;
    if (!isObject(part)) return wrongType(own, 'an object', part);
    const { type } = part;
    if (type === undefined) return missing(`${own}.type`);
    if (typeof type !== 'string' || !PARTS.includes(type)) return wrongValue(`${own}.type`, type, PARTS);
    if (type === 'text' && typeof part['text'] !== 'string') return missing(`${own}.text`);
    const image = part['image_url'];
    if (type === 'image_url' && !(isObject(image) && typeof image['url'] === 'string')) return missing(`${own}.image_url.url`);
  }
  return undefined;
}

/** Each tool message answers a call of the assistant's message before it, and each call is answered (morphic#136). */
function checkToolTurns(messages: Json[]): Refusal | undefined {
  const open = new Set<string>();
  let asked = -1;
  for (const [i, message] of messages.entries()) {
    if (message['role'] === 'tool') {
      const id = message['tool_call_id'];
      if (typeof id !== 'string') return refusal(400, "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.", null, `messages.[${i}].tool_call_id`);
      if (asked === -1) return refusal(400, "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.", null, `messages.[${i}].role`);
      open.delete(id);
      continue;
    }
    if (open.size > 0) return unanswered(open, asked + 1);
    asked = -1;
    const calls = message['tool_calls'];
    if (message['role'] !== 'assistant' || !Array.isArray(calls) || calls.length === 0) continue;
    asked = i;
    for (const call of calls) if (isObject(call) && typeof call['id'] === 'string') open.add(call['id']);
  }
  return open.size > 0 ? unanswered(open, asked + 1) : undefined;
}

function unanswered(open: Set<string>, index: number): Refusal {
  return refusal(400, `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(', ')}`, null, `messages.[${index}].role`);
}
