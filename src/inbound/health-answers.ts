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
  /** Whether whoever asks proved to be of this mesh, and may know what is missing. */
  isPeer(request: IncomingMessage | Http2ServerRequest): boolean
  /** Somebody wants to know whether this process is ready, so that it should become so. */
  begin(): void
}

/** What is answered, whoever writes it. */
export interface HealthAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The process answers, so it lives; also while it leaves. */
export const LIVE: HealthAnswer = answerOf(200, { state: 'live' })

/** 200 or 503; those of the mesh hear what is missing, strangers only whether. */
export function readinessAnswer({ readiness, begin }: HealthAnswersHost, trusted: boolean): HealthAnswer {
  begin()
  const { ready, state, missing } = readiness.look()
  return answerOf(ready ? 200 : 503, ready || !trusted ? { state } : { state, missing })
}

/** The two answers as handlers. */
export function healthHandlers(host: HealthAnswersHost): { liveness: HealthHandler; readiness: HealthHandler } {
  return {
    liveness: (_, response) => write(rawResponse(response), LIVE),
    readiness: (request, response) =>
      write(rawResponse(response), readinessAnswer(host, host.isPeer('raw' in request ? request.raw : request))),
  }
}

function rawResponse(response: ServerResponse | Http2ServerResponse | FastifyReply): ServerResponse | Http2ServerResponse {
  if (!('hijack' in response)) return response
  response.hijack()
  return response.raw
}

function answerOf(status: number, body: object): HealthAnswer {
  const text = `${JSON.stringify(body)}\n`
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)), 'cache-control': 'no-store' }
  return { status, headers, body: text }
}

function write(response: ServerResponse | Http2ServerResponse, { status, headers, body }: HealthAnswer): void {
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.end(body)
}
