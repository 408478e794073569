import type { Readable } from 'node:stream'
import type { HealthCheckSettings } from '../model/resources.ts'
import type { ProbeEnd } from './probe-end.ts'

/** What the answer to an HTTP probe says, over whichever version: its status, its body, and the two headers of Envoy's health checks. */
export function judgeProbe(
  status: number,
  headers: Readonly<Record<string, unknown>>,
  body: Readable,
  { expectedStatuses, expectedBody }: HealthCheckSettings,
  end: ProbeEnd,
): void {
  const found = { degraded: headers['x-envoy-degraded'] !== undefined, ...verdictOf(status, headers, expectedStatuses) }
  if (found.failure !== undefined || expectedBody === undefined) end(found)
  else readBody(body, expectedBody, (failure) => end({ ...found, failure }))
}

function verdictOf(status: number, headers: Readonly<Record<string, unknown>>, expected: HealthCheckSettings['expectedStatuses']) {
  if (headers['x-envoy-immediate-health-check-fail'] !== undefined)
    return { failure: 'it asked to be taken out (x-envoy-immediate-health-check-fail)', immediate: true }
  if (expected.some(([from, to]) => status >= from && status <= to)) return { failure: undefined }
  return { failure: `it answered ${status}` }
}

/** Reads as much of the body as is looked at, and says why it is not the expected one. */
function readBody(answer: Readable, expected: string, then: (failure: string | undefined) => void): void {
  let body = Buffer.alloc(0)
  const judge = (): void => then(body.includes(expected) ? undefined : `its body has no ${JSON.stringify(expected)}`)
  answer.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk]).subarray(0, BODY_BYTES)
    if (body.length === BODY_BYTES || body.includes(expected)) judge()
  })
  answer.on('end', judge)
}

/** As much of a body as Envoy looks at. */
const BODY_BYTES = 1_024
