import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Readiness } from './readiness.ts'

/** A Fastify reply, as far as it is needed to answer behind its back. */
interface FastifyReply {
  hijack(): unknown
  readonly raw: ServerResponse | Http2ServerResponse
}

/** Answers a request, whatever server or framework it came from: `node:http`, `node:http2`, Express, or a Fastify route. */
export type HealthHandler = (
  request: IncomingMessage | Http2ServerRequest | { raw: IncomingMessage | Http2ServerRequest },
  response: ServerResponse | Http2ServerResponse | FastifyReply,
) => void

/** What the two questions are answered from. */
export interface HealthAnswersHost {
  readonly readiness: Readiness
  /** Whether whoever asks is of this mesh, and may know what is missing. */
  trusts(request: IncomingMessage | Http2ServerRequest): boolean
  /** Somebody wants to know whether this process is ready, so that it should become so. */
  begin(): void
}

/** The process answers, so it lives; also while it leaves. */
export function answerLiveness(response: ServerResponse | Http2ServerResponse): void {
  write(response, 200, { state: 'live' })
}

/** 200 or 503; those of the mesh hear what is missing, strangers only whether. */
export function answerReadiness(
  { readiness, trusts, begin }: HealthAnswersHost,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  begin()
  const { ready, state, missing } = readiness.look()
  write(response, ready ? 200 : 503, ready || !trusts(request) ? { state } : { state, missing })
}

/** The two answers as handlers. */
export function healthHandlers(host: HealthAnswersHost): { liveness: HealthHandler; readiness: HealthHandler } {
  return {
    liveness: (_, response) => answerLiveness(rawResponse(response)),
    readiness: (request, response) => answerReadiness(host, 'raw' in request ? request.raw : request, rawResponse(response)),
  }
}

function rawResponse(response: ServerResponse | Http2ServerResponse | FastifyReply): ServerResponse | Http2ServerResponse {
  if (!('hijack' in response)) return response
  response.hijack()
  return response.raw
}

function write(response: ServerResponse | Http2ServerResponse, status: number, body: object): void {
  response.statusCode = status
  response.setHeader('content-type', 'application/json')
  response.setHeader('cache-control', 'no-store')
  response.end(`${JSON.stringify(body)}\n`)
}
