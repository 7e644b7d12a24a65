/** Plain HTTP/1.1 servers, with the limits against slow callers set. */
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';

export interface ServerLimits {
  readonly headersTimeoutMs: number;
  readonly keepAliveMs: number;
}

/** Plain HTTP/1.1 with the limits against slow callers set. */
export function createHttpServer(listener: RequestListener, limits: ServerLimits): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      // A body has its own idle limit; a long upload that keeps moving is no attack.
      requestTimeout: 0,
      connectionsCheckingInterval: 1000,
      keepAliveTimeout: limits.keepAliveMs,
      noDelay: true,
    },
    listener,
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Behind bytes of an answer these would be taken for a part of it (as Node's own handler has it).
    const answering = (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
    if (error.code === 'ECONNRESET' || !socket.writable || answering?.headersSent === true) return void socket.destroy();
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
    const message = `The request is not valid HTTP/1.1 (${error.code ?? 'unknown'}).`;
    const body = JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: 'invalid_http' } });
    socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`, () => void socket.destroy());
  });
  return server;
}
