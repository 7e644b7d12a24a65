/** What of a caller's request can be refused by its head alone. */
import type { IncomingMessage } from 'node:http';
import { SpillwayError } from '../errors.ts';

export function checkHead(req: IncomingMessage): void {
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw new SpillwayError('encoded_body', [printable(encoding)]);
  const type = req.headers['content-type'] ?? 'none';
  // Also what keeps a web page from calling a sidecar on a developer's machine: a browser asks first for this type.
  if (!/^application\/([\w.-]+\+)?json\b/i.test(type)) throw new SpillwayError('wrong_content_type', [printable(type)]);
}

/** A caller's text, safe and short enough to be shown back. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
  return clean.length > 100 ? `${clean.slice(0, 100)}…` : clean;
}
