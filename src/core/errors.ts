import { flagsFrom, type ResponseFlag, type ResponseFlags } from './response-flags.ts'

/** What can go wrong, in one table: the code, the HTTP status an inbound answer would carry, whether a later try may help. */
export const ERRORS = {
  MESH_NO_ENDPOINT: { status: 503, retryable: true },
  MESH_UNKNOWN_SERVICE: { status: 503, retryable: false },
  MESH_CIRCUIT_OPEN: { status: 503, retryable: true },
  MESH_OVERLOADED: { status: 503, retryable: true },
  MESH_DEADLINE: { status: 504, retryable: true },
  MESH_CONNECT: { status: 503, retryable: true },
  MESH_RESET: { status: 502, retryable: true },
  MESH_PROTOCOL: { status: 502, retryable: false },
  MESH_TLS: { status: 502, retryable: false },
  MESH_NOT_REPLAYABLE: { status: 502, retryable: false },
  MESH_FAULT: { status: 503, retryable: true },
  MESH_UNAUTHENTICATED: { status: 401, retryable: false },
  MESH_FORBIDDEN: { status: 403, retryable: false },
  MESH_RATE_LIMITED: { status: 429, retryable: true },
  MESH_CONFIG: { status: 500, retryable: false },
  MESH_NOT_READY: { status: 503, retryable: true },
  MESH_CLOSED: { status: 503, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>

/** Every code a {@link MeshError} may carry. */
export type MeshErrorCode = keyof typeof ERRORS

/** What a {@link MeshError} knows besides its code; all optional. */
export interface MeshErrorDetails {
  service?: string | undefined
  /** Address of the endpoint that was tried last. */
  endpoint?: string | undefined
  /** Tries sent to endpoints, the first included; 0 when nothing was sent. */
  tries?: number | undefined
  /** A sentence for people. */
  reason?: string | undefined
  /** The resource that decided, as `source/kind/namespace/name#section`. */
  from?: string | undefined
  /** Where that was written. */
  place?: string | undefined
  cause?: unknown
  retryable?: boolean | undefined
  /** Milliseconds after which a later call may be let through. */
  retryAfterMs?: number | undefined
  /** Default: what the code means. */
  flags?: ResponseFlags | undefined
}

/** Envoy's word for each code, where nothing more is known; undefined where it has none. */
const FLAGS: Readonly<Record<MeshErrorCode, ResponseFlag | undefined>> = {
  MESH_NO_ENDPOINT: 'UH',
  MESH_UNKNOWN_SERVICE: 'NR',
  MESH_CIRCUIT_OPEN: 'UO',
  MESH_OVERLOADED: 'UO',
  MESH_DEADLINE: 'UT',
  MESH_CONNECT: 'UF',
  MESH_RESET: 'UC',
  MESH_PROTOCOL: 'UPE',
  MESH_TLS: 'UF',
  MESH_NOT_REPLAYABLE: 'UC',
  MESH_FAULT: 'FI',
  MESH_UNAUTHENTICATED: 'UAEX',
  MESH_FORBIDDEN: 'UAEX',
  MESH_RATE_LIMITED: 'RL',
  MESH_CONFIG: undefined,
  MESH_NOT_READY: 'NFCF',
  MESH_CLOSED: 'LR',
}

/** The words for requests that came in, where those are others. */
const INBOUND_FLAGS: Partial<Record<MeshErrorCode, ResponseFlag>> = {
  MESH_OVERLOADED: 'OM',
  MESH_DEADLINE: 'DT',
  MESH_PROTOCOL: 'DPE',
}

/** The flags of an error of which nothing is known but its code. A gate of somebody else may give one that is not in the table. */
export function flagsOf(code: MeshErrorCode): ResponseFlags {
  return flagsFrom(FLAGS[code])
}

/** The flags of a request that came in and was refused with this code. */
export function inboundFlagsOf(code: MeshErrorCode): ResponseFlags {
  return flagsFrom(INBOUND_FLAGS[code] ?? FLAGS[code])
}

const BRAND = Symbol.for('inmesh.error')

/**
 * The one error class of inmesh. Recognise it with {@link isMeshError}, which also holds across two
 * copies of the package; decide on `code`. A `MESH_DEADLINE` is named `TimeoutError` as the platform's own timeouts are.
 */
export class MeshError extends Error {
  override readonly name: string
  readonly code: MeshErrorCode
  readonly service: string | undefined
  readonly endpoint: string | undefined
  readonly tries: number
  readonly retryable: boolean
  readonly reason: string
  readonly from: string | undefined
  /** Where that was written, as far as its source says: `mesh.yaml:12:5`. */
  readonly place: string | undefined
  /** Milliseconds after which a later call may be let through; undefined when nobody knows. */
  readonly retryAfterMs: number | undefined
  /** The HTTP status that fits the code. */
  readonly status: number
  /** Why, in the words of Envoy's access log: `['UF', 'URX']`. */
  readonly flags: ResponseFlags

  constructor(code: MeshErrorCode, details: MeshErrorDetails = {}) {
    const reason = details.reason ?? code
    super(details.service === undefined ? reason : `${details.service}: ${reason}`, { cause: details.cause })
    this.name = code === 'MESH_DEADLINE' ? 'TimeoutError' : 'MeshError'
    this.code = code
    this.service = details.service
    this.endpoint = details.endpoint
    this.tries = details.tries ?? 0
    // A gate of somebody else may refuse with a code that is not in the table.
    const { retryable, status } = (ERRORS as Partial<typeof ERRORS>)[code] ?? ERRORS.MESH_CONFIG
    this.retryable = details.retryable ?? retryable
    this.reason = reason
    this.from = details.from
    this.place = details.place
    this.retryAfterMs = details.retryAfterMs
    this.status = status
    this.flags = details.flags ?? flagsOf(code)
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** For logs: everything above, the message, and of the cause what it says of itself and nothing that hangs on it. */
  toJSON(): Record<string, unknown> {
    const { name, code, flags, message, reason, service, endpoint, tries, retryable, status, from, place, retryAfterMs, cause } = this
    const told = { name, code, flags, message, reason, service, endpoint, tries, retryable, status, from, place, retryAfterMs }
    return cause === undefined ? told : { ...told, cause: saidOf(cause) }
  }
}

/** What an error says of itself. What else it carries may be a whole request with its credentials. */
function saidOf(cause: unknown): unknown {
  if (!(cause instanceof Error)) return typeof cause === 'string' ? cause : typeof cause
  const { name, message, code } = cause as Error & { code?: unknown }
  return { name, message, ...(typeof code === 'string' ? { code } : {}) }
}

/** Whether `value` is a MeshError of any copy of this package. */
export function isMeshError(value: unknown): value is MeshError {
  return typeof value === 'object' && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true
}

/**
 * A MeshError without the walk up the stack (2–4 µs): for refusals on the path of calls, whose stack
 * would only show the mesh's own inside.
 */
export function meshErrorWithoutStack(code: MeshErrorCode, details: MeshErrorDetails): MeshError {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return new MeshError(code, details)
  } finally {
    Error.stackTraceLimit = limit
  }
}
