/** Refusals in the API server's own words. */
export interface Status {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfter?: number;
}

export class Refused extends Error {
  readonly status: Status;

  constructor(status: Status) {
    super(status.message);
    this.status = status;
  }
}

export function statusObject({ status, reason, message, retryAfter }: Status): object {
  const details = retryAfter === undefined ? {} : { details: { retryAfterSeconds: retryAfter } };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, ...details, code: status };
}

export const UNAUTHORIZED: Status = { status: 401, reason: 'Unauthorized', message: 'Unauthorized' };
export const TOO_MANY: Status = { status: 429, reason: 'TooManyRequests', message: 'too many requests, please try again later', retryAfter: 1 };
export const INTERNAL: Status = { status: 500, reason: 'InternalError', message: 'Internal error occurred: etcdserver: leader changed' };
export const UNAVAILABLE: Status = { status: 503, reason: 'ServiceUnavailable', message: 'apiserver is shutting down' };

export function gone(version: number, oldest: number): Status {
  return { status: 410, reason: 'Expired', message: `too old resource version: ${version} (${oldest})` };
}

export function forbidden(user: string, verb: string, resource: string, group: string, namespace: string, name: string | undefined): Status {
  const named = name === undefined ? `${resource}${group && `.${group}`} is` : `${resource}${group && `.${group}`} "${name}" is`;
  const message = `${named} forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" in the namespace "${namespace}"`;
  return { status: 403, reason: 'Forbidden', message };
}
