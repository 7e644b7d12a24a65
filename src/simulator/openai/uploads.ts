/** Forms with a file in them, and what is wrong with them. */
import { endCall, type Exchange } from '../exchange.ts';
import { readForm, type Form } from '../multipart.ts';
import { refusal, type Refusal } from './errors.ts';
import { sendRefusal } from './reply.ts';

/** @returns undefined when there is nothing more to answer */
export async function formOf(exchange: Exchange, limit: number): Promise<Form | undefined> {
  const form = await readForm(exchange.req, limit);
  if (!('problem' in form)) return form;
  if (form.problem === 'client-left') endCall(exchange, 'client-left');
  else await sendRefusal(exchange, problemOf(form.problem, exchange, limit));
  return undefined;
}

function problemOf(problem: 'not-multipart' | 'malformed' | 'too-large', { req }: Exchange, limit: number): Refusal {
  if (problem === 'too-large') return refusal(413, `Maximum content size limit (${limit}) exceeded.`);
  if (problem === 'malformed') return refusal(400, 'Could not parse multipart form');
  return refusal(415, `Unsupported mimetype: '${req.headers['content-type'] ?? ''}'. Expected 'multipart/form-data'.`, 'unsupported_mimetype');
}
