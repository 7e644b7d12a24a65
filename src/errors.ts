/**
 * Every error that Spillway itself answers with, in one table: stable code, HTTP status, text.
 * `%s` stands for what the thrower knows. What upstreams did has its codes in wire/reasons.ts.
 */
const TABLE = {
  invalid_json: [400, 'The request body is not valid JSON: %s. Send one JSON object.'],
  invalid_encoding: [400, 'The request body is not valid UTF-8. Encode it as UTF-8 without a byte order mark.'],
  encoded_body: [415, 'The request body is encoded as %s. Send it without content-encoding.'],
  wrong_content_type: [415, 'The request has content-type %s. Send application/json.'],
  missing_model: [400, 'The request names no model. Set "model" to a group or a model: %s.'],
  invalid_model: [400, 'The request\'s "model" is not a text. Set it to a group or a model: %s.'],
  duplicate_member: [400, 'The request body has the member "%s" more than once. Leave one of them.'],
  invalid_deadline: [400, 'The header x-spillway-deadline is not a duration: %s. Write it like 30s, 500ms or 2m.'],
  unknown_drill: [400, 'The header x-spillway-drill names "%s", which is no drill. Drills are: %s.'],
  model_not_found: [404, 'There is no model or group "%s". Known are: %s.'],
  unknown_path: [404, 'Spillway does not serve %s %s. It serves: %s.'],
  missing_passthrough_model: [400, 'This path is forwarded to one model\'s provider: name the model in the header x-spillway-model: %s.'],
  unknown_passthrough_model: [404, 'The header x-spillway-model names "%s", which is no model. Models are: %s.'],
  unusable_model: [502, 'The model "%s" cannot be used (%s). The sidecar\'s log says why.'],
  method_not_allowed: [405, '%s does not take %s. Use %s.'],
  too_many_refusals: [429, 'More than %s requests of this app were refused within a second. Wait as retry-after says before trying again.'],
  body_too_large: [413, 'The request body is larger than %s bytes.'],
  body_timeout: [408, 'The request body stopped arriving for %s ms.'],
  buffer_full: [503, 'The sidecar holds as many bytes as --buffer allows (%s). Try again in a moment.'],
  shutting_down: [503, 'The sidecar is shutting down and takes no new requests.'],
  internal_error: [500, 'The sidecar failed on this request. Its log says where.'],
} as const satisfies Record<string, readonly [number, string]>;

export type ErrorCode = keyof typeof TABLE;

/** Carries what a caller may see: no stack, no secret. */
export class SpillwayError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  /** Seconds after which the same request may work, if waiting helps. */
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, args: readonly (string | number)[] = [], retryAfter?: number) {
    const [status, text] = TABLE[code];
    let next = 0;
    super(text.replace(/%s/g, () => String(args[next++] ?? '')));
    this.name = 'SpillwayError';
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** The codes with their status and text, for the documentation and its test. */
export function errorTable(): readonly { code: string; status: number; text: string }[] {
  return Object.entries(TABLE).map(([code, [status, text]]) => ({ code, status, text }));
}
