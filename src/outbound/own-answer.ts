import type { FallbackError } from '../model/protection.ts'
import type { AnswerSettings } from '../model/resources.ts'
import type { RawHeaders } from './handler.ts'
import { toRawHeaders } from './headers.ts'

/** An answer that no service gave: from an injected fault, or from a fallback. */
export interface WireAnswer {
  readonly status: number
  readonly raw: RawHeaders
  readonly body: Buffer
}

/** `answer` as it would have come off the wire, for a request with this method. */
export function ownAnswer({ status, headers, body }: AnswerSettings, method: string): WireAnswer {
  const bytes = Buffer.from(body as string)
  const framed: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) if (!FRAMING.has(name.toLowerCase())) framed[name.toLowerCase()] = value
  if (typeof body === 'string' && bytes.length > 0) framed['content-type'] ??= 'text/plain;charset=UTF-8'
  if (status !== 204) framed['content-length'] = String(bytes.length)
  const bodiless = method === 'HEAD' || status === 204 || status === 205 || status === 304
  return { status, raw: toRawHeaders(framed), body: bodiless ? NOTHING : bytes }
}

/** What a fallback hears of an answer that it stands in for; nothing is broken, so it is no MeshError. */
export function answerError(service: string, status: number, what: string): FallbackError {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return Object.assign(new Error(`${service}: ${what}`), { status, service })
  } finally {
    Error.stackTraceLimit = limit
  }
}

/** What says where an answer ends is not for others to write. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection'])
const NOTHING = Buffer.alloc(0)
