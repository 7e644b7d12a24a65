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
/** Of one connection and not of a request: the client refuses most of them at each call. Bodies are sent as they are, not encoded. */
const NEVER_SENT = new Set(['upgrade', 'expect', 'keep-alive', 'te', 'trailer', 'content-encoding']);
/** What the value of a header can hold: Latin-1 without control characters. */
export const HEADER_TEXT = /^[\u0020-\u007E\u0080-\u00FF]*$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Undefined for a header that a user may set. */
export function wrongHeaderName(name: string): string | undefined {
  if (!TOKEN.test(name)) return "a header's name is letters, digits and - only";
  const lower = name.toLowerCase();
  if (NEVER_SENT.has(lower)) return `the header ${lower} cannot be set: it belongs to the connection and the body, which are Spillway's own; remove it`;
  if (!RESERVED.has(lower)) return undefined;
  return `the header ${lower} is set by Spillway itself: ${/key|auth/.test(lower) ? 'remove it and use apiKey: { env: NAME }' : 'remove it'}`;
}

const CONTROLS_WRONG = "a header's value must not hold line breaks or other control characters";
const BEYOND_WRONG = "a header's value can hold characters up to U+00FF only (é, but neither 日 nor a long dash): HTTP carries no others";

const headerValue = z
  .string('expected text; put quotes around it')
  .check(z.regex(HEADER_TEXT, { error: ({ input }) => (/[\u0100-\uFFFF]/.test(String(input)) ? BEYOND_WRONG : CONTROLS_WRONG) }));

export const headers = z.record(z.string(), headerValue);
