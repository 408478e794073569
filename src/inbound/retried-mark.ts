import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { RETRIED_HEADER } from '../model/request-context.ts'

/**
 * Makes an answer that says the application failed say that a call beneath it was tried again already. Requests beneath which nothing
 * fails never come here.
 */
export function markAnswer(response: ServerResponse): void {
  if (response.headersSent) return
  // At once, and taken back where the answer is none of a failure: `response.writeHead(await status)` has found its method by now.
  response.setHeader(RETRIED_HEADER, MARK)
  const writeHead = response.writeHead as (this: ServerResponse, status: number, ...rest: unknown[]) => ServerResponse
  response.writeHead = function (this: ServerResponse, status: number, ...rest: unknown[]): ServerResponse {
    if (!failed(status) && !this.headersSent) this.removeHeader(RETRIED_HEADER)
    return writeHead.call(this, status, ...rest)
  } as ServerResponse['writeHead']
}

/** The same of an HTTP/2 stream; the compatible interface of Node answers by its stream too. */
export function markStream(stream: ServerHttp2Stream & Markable): void {
  stream[RETRIED] = true
  heedMark(stream)
}

/**
 * Makes a stream look for the mark when it is answered. Whoever answers by the stream itself may have found `respond` before anything
 * failed, so that this comes before he has it; one function for all streams.
 */
export function heedMark(stream: ServerHttp2Stream): void {
  if (!Object.hasOwn(stream, 'respond')) stream.respond = respond
}

const RETRIED = Symbol('inmesh.retried')
interface Markable {
  [RETRIED]?: boolean
}

function respond(this: ServerHttp2Stream & Markable, headers?: unknown, ...rest: unknown[]): void {
  const says = this[RETRIED] === true && failed(statusOf(headers))
  const { respond: original } = Object.getPrototypeOf(this) as { respond(headers: unknown, ...rest: unknown[]): void }
  original.call(this, says ? marked(headers) : headers, ...rest)
}

function failed(status: number): boolean {
  return status >= 500
}

/** Newer versions of Node take a list of names and values as well. */
function statusOf(headers: unknown): number {
  if (Array.isArray(headers)) return Number(headers[headers.indexOf(':status') + 1])
  return Number((headers as Record<string, unknown> | undefined)?.[':status'])
}

function marked(headers: unknown): unknown {
  return Array.isArray(headers) ? [...headers, RETRIED_HEADER, MARK] : { ...(headers as object), [RETRIED_HEADER]: MARK }
}

const MARK = '1'
