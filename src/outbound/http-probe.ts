import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { ProbeRequest } from '../model/health.ts'
import type { ProbeEnd } from './probe-end.ts'
import { revealed } from './probe-headers.ts'

/** Asks an HTTP/1.1 endpoint on `socket`, and looks at status, body and the two headers of Envoy's health checks. */
export function probeHttp(socket: Socket, { host, settings }: ProbeRequest, end: ProbeEnd): void {
  const { method, path, headers, expectedBody } = settings
  const sent = httpRequest({
    method,
    path,
    headers: { host, 'user-agent': USER_AGENT, accept: '*/*', ...revealed(headers), connection: 'close' },
    setHost: false,
    createConnection: () => socket,
  })
  sent.on('error', (error) => end({ failure: error.message }))
  sent.on('response', (answer) => {
    // Only now does a body that breaks off have somebody to tell.
    answer.on('error', (error) => end({ failure: error.message }))
    const found = { degraded: answer.headers['x-envoy-degraded'] !== undefined, ...verdictOf(answer, settings.expectedStatuses) }
    if (found.failure !== undefined || expectedBody === undefined) end(found)
    else readBody(answer, expectedBody, (failure) => end({ ...found, failure }))
  })
  sent.end()
}

function verdictOf(answer: IncomingMessage, expected: ProbeRequest['settings']['expectedStatuses']) {
  const { statusCode = 0, headers } = answer
  if (headers['x-envoy-immediate-health-check-fail'] !== undefined)
    return { failure: 'it asked to be taken out (x-envoy-immediate-health-check-fail)', immediate: true }
  if (expected.some(([from, to]) => statusCode >= from && statusCode <= to)) return { failure: undefined }
  return { failure: `it answered ${statusCode}` }
}

/** Reads as much of the body as is looked at, and says why it is not the expected one. */
function readBody(answer: IncomingMessage, expected: string, then: (failure: string | undefined) => void): void {
  let body = Buffer.alloc(0)
  const judge = (): void => then(body.includes(expected) ? undefined : `its body has no ${JSON.stringify(expected)}`)
  answer.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk]).subarray(0, BODY_BYTES)
    if (body.length === BODY_BYTES || body.includes(expected)) judge()
  })
  answer.on('end', judge)
}

const USER_AGENT = 'inmesh-health-check'
/** As much of a body as Envoy looks at. */
const BODY_BYTES = 1_024
