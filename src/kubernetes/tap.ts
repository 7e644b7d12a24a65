/**
 * What the library's Watch throws away on its way through the dispatcher: the body and the headers of a refusal, and how many
 * lines came (it swallows one that it cannot parse).
 */
import type { Dispatcher } from 'undici';
import { firstOf } from '../wire/http.ts';
import { apiErrorOf, type ApiError } from './api-error.ts';

export interface Tap {
  /** The server accepted: from here on it is a stream. */
  onOpen(): void;
  onRefused(error: ApiError): void;
  /** Bytes came, and with them so many ends of lines that were not empty. */
  onBytes(lines: number): void;
}

const LARGEST_REFUSAL = 64 * 1024;
const NEWLINE = 0x0a;

/** The library aborts a refusal as soon as it sees its status, so it is told only when the body is here. */
export function tapped(dispatcher: Dispatcher, tap: Tap): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => dispatch(options, listening(handler, tap)));
}

function listening(handler: Dispatcher.DispatchHandler, tap: Tap): Dispatcher.DispatchHandler {
  let refusal: { tell(): void; chunks: Buffer[]; bytes: number } | undefined;
  const count = lineCounter();
  return {
    onRequestStart: (...args) => handler.onRequestStart?.(...args),
    onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
    onResponseStarted: () => handler.onResponseStarted?.(),
    onBodySent: (chunk) => handler.onBodySent?.(chunk),
    onRequestSent: () => handler.onRequestSent?.(),
    onResponseStart(controller, status, headers, statusMessage) {
      if (status === 200) tap.onOpen();
      if (status < 300) return handler.onResponseStart?.(controller, status, headers, statusMessage);
      const chunks: Buffer[] = [];
      const header = (name: string): string | undefined => firstOf(headers[name]);
      const tell = (): void => {
        refusal = undefined;
        tap.onRefused(apiErrorOf(status, header, Buffer.concat(chunks).toString()));
        handler.onResponseStart?.(controller, status, headers, statusMessage);
      };
      refusal = { tell, chunks, bytes: 0 };
    },
    onResponseData(controller, chunk) {
      if (refusal === undefined) {
        tap.onBytes(count(chunk));
        return handler.onResponseData?.(controller, chunk);
      }
      refusal.chunks.push(chunk);
      refusal.bytes += chunk.length;
      if (refusal.bytes > LARGEST_REFUSAL) refusal.tell();
    },
    onResponseEnd(...args) {
      refusal?.tell();
      return handler.onResponseEnd?.(...args);
    },
    onResponseError(...args) {
      refusal?.tell();
      return handler.onResponseError?.(...args);
    },
  };
}

function lineCounter(): (chunk: Buffer) => number {
  let empty = true;
  return (chunk) => {
    let lines = 0;
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (!empty || end > start) lines++;
      empty = true;
      start = end + 1;
    }
    if (start < chunk.length) empty = false;
    return lines;
  };
}
