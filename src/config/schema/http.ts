/** What may be said about the upstream's HTTP: its address and additional headers. */
import * as z from 'zod/mini';

const URL_WANTED = 'expected an http:// or https:// address such as https://api.example.com/v1';

export const baseUrl = z.string().check(
  z.check<string>(({ value, issues }) => {
    const message = wrongBaseUrl(value);
    if (message !== undefined) issues.push({ code: 'custom', input: value, message });
  }),
);

function wrongBaseUrl(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url || !/^https?:\/\//i.test(value) || /[\s\\]/.test(value)) return URL_WANTED;
  if (url.username !== '' || url.password !== '') return 'credentials in an address are refused; use apiKey: { env: NAME }';
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(value)) return 'an address ends with its path: leave out everything from ? or # on';
  return undefined;
}

/** Spillway sets these itself; a second value would send a wrong key or break the message's framing. */
const RESERVED = new Set(['authorization', 'x-api-key', 'api-key', 'host', 'content-length', 'transfer-encoding', 'connection']);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Undefined for a header that a user may set. */
export function wrongHeaderName(name: string): string | undefined {
  if (!TOKEN.test(name)) return "a header's name is letters, digits and - only";
  const lower = name.toLowerCase();
  if (!RESERVED.has(lower)) return undefined;
  return `the header ${lower} is set by Spillway itself: ${/key|auth/.test(lower) ? 'remove it and use apiKey: { env: NAME }' : 'remove it'}`;
}

const headerValue = z
  .string('expected text; put quotes around it')
  // oxlint-disable-next-line no-control-regex
  .check(z.regex(/^[^\u0000-\u001F\u007F]*$/, "a header's value must not hold line breaks or other control characters"));

export const headers = z.record(z.string(), headerValue);
