import { grpcTimeout, toldMs } from '../core/told-timeout.ts'
import { childTraceparent } from '../core/trace-context.ts'
import { PRIORITY_HEADER, type RequestContext } from '../model/request-context.ts'
import { hasRequestHeader, visitRequestHeaders } from './headers.ts'

/** What the next hop is told of a try. */
export interface Telling {
  /** Until nobody waits for this try any more. */
  readonly remainingMs: number
  /** Which try it is, over all hops; 1 when nobody sent anything again. */
  readonly attempt: number
  readonly priority: string
  /** The request beneath which the call is made. */
  readonly within: RequestContext | undefined
  /** Somebody else puts the trace into the requests that leave this process. */
  readonly traced: boolean
}

/** The headers that say so, as name, value, name, value. What the caller wrote himself is left as he wrote it. */
export function toldHeaders(written: unknown, { remainingMs, attempt, priority, within, traced }: Telling): string[] {
  const own = ownHeaders(written)
  const told: string[] = []
  const ms = toldMs(remainingMs)
  if ((own & EXPECTED) === 0) told.push('x-envoy-expected-rq-timeout-ms', String(ms))
  if ((own & (GRPC | GRPC_TIMEOUT)) === GRPC) told.push('grpc-timeout', grpcTimeout(ms))
  if ((own & ATTEMPT) === 0) told.push('x-envoy-attempt-count', String(attempt))
  if (priority !== 'normal' && (own & PRIORITY) === 0) told.push(PRIORITY_HEADER, priority)
  if (within === undefined) return told
  // A state without its parent, or with another one, says nothing.
  if (within.settings.trace && !traced && (own & (PARENT | STATE)) === 0) {
    const { trace } = within
    told.push('traceparent', childTraceparent(trace, within.random))
    if (trace.state !== undefined) told.push('tracestate', trace.state)
  }
  if (within.settings.trace && (own & BAGGAGE) === 0 && within.baggage !== undefined) told.push('baggage', within.baggage)
  const { handed } = within
  for (let index = 0; index < handed.length; index += 2) {
    const name = handed[index] as string
    if (!hasRequestHeader(written, name)) told.push(name, handed[index + 1] as string)
  }
  return told
}

const EXPECTED = 1
const ATTEMPT = 2
const PARENT = 4
const STATE = 8
const BAGGAGE = 16
const PRIORITY = 32
const GRPC_TIMEOUT = 64
const GRPC = 128

const BITS: ReadonlyMap<string, number> = new Map([
  ['x-envoy-expected-rq-timeout-ms', EXPECTED],
  ['x-envoy-attempt-count', ATTEMPT],
  ['traceparent', PARENT],
  ['tracestate', STATE],
  ['baggage', BAGGAGE],
  [PRIORITY_HEADER, PRIORITY],
  ['grpc-timeout', GRPC_TIMEOUT],
])
const LENGTHS: ReadonlySet<number> = new Set([...BITS.keys(), 'content-type'].map(({ length }) => length))

/** Which of the headers above the caller wrote himself, in one look over all of them. */
function ownHeaders(written: unknown): number {
  const found = { bits: 0 }
  visitRequestHeaders(written, noteHeader, found)
  return found.bits
}

function noteHeader(name: string, value: unknown, found: { bits: number }): void {
  if (!LENGTHS.has(name.length)) return
  const lower = name.toLowerCase()
  if (lower === 'content-type') {
    if (/^application\/grpc(?:$|[+;])/i.test(String(value))) found.bits |= GRPC
  } else found.bits |= BITS.get(lower) ?? 0
}
