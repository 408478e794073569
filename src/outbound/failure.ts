import { isMeshError, type MeshErrorCode, meshErrorWithoutStack } from '../core/errors.ts'
import type { FailureKind } from '../core/outcome.ts'
import { type ResponseFlag, type ResponseFlags, withFlag } from '../core/response-flags.ts'
import { flagsOfTry } from '../core/try-flags.ts'
import type { TryOutcome } from '../core/try-outcome.ts'
import type { RetryDecision } from '../resilience/retry.ts'
import { DialError, NO_HTTP2, NO_IDENTITY } from './connector.ts'
import { ABANDONED_UPLOAD } from './replay-body.ts'

/** What this process ran out of, or has not got yet; no endpoint is to blame. */
const LOCAL_SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', NO_IDENTITY])

/** undici found the request itself unsendable; its own error says best why. */
const CALLERS_MISTAKES: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  // A piece of the body that is neither text nor bytes.
  'ERR_INVALID_ARG_TYPE',
])

/** The last one is what undici's own sanity checks throw at a head such as `HTTP/1.1 000`. */
const PROTOCOL_ERRORS: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  'ERR_ASSERTION',
])

const TIMEOUTS: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

const CODES = {
  connect: 'MESH_CONNECT',
  reset: 'MESH_RESET',
  timeout: 'MESH_DEADLINE',
  protocol: 'MESH_PROTOCOL',
  tls: 'MESH_TLS',
  local: 'MESH_OVERLOADED',
  aborted: 'MESH_RESET',
} as const satisfies Record<FailureKind, MeshErrorCode>

export function codeOf(kind: FailureKind, error?: unknown): MeshErrorCode {
  const code = errorCode(error)
  if (code === NO_IDENTITY) return 'MESH_TLS'
  return code === NO_HTTP2 ? 'MESH_PROTOCOL' : CODES[kind]
}

/** What kind of failure undici's `error` is; `unsent` when it never began to write the request. */
export function kindOf(error: unknown, unsent: boolean): FailureKind {
  const code = errorCode(error)
  if (CALLERS_MISTAKES.has(code) || error === ABANDONED_UPLOAD) return 'aborted'
  if (LOCAL_SHORTAGES.has(code)) return 'local'
  if (unsent) return error instanceof DialError && error.tls ? 'tls' : 'connect'
  if (code.startsWith('HPE_') || PROTOCOL_ERRORS.has(code) || (error as { name?: unknown }).name === 'HTTPParserError') return 'protocol'
  if (TIMEOUTS.has(code)) return 'timeout'
  return 'reset'
}

/**
 * undici's parser keeps what it could not read, which may be the middle of an answer with cookies and tokens; errors are printed
 * wherever they end up.
 */
export function forgetBytes(error: unknown): void {
  if ((error as { name?: unknown }).name === 'HTTPParserError') (error as { data?: unknown }).data = undefined
}

/** What `error` says beyond the kind of failure: one stream that its peer ended is not the connection. */
export function flagOf(kind: FailureKind, error: unknown): ResponseFlag | undefined {
  return kind === 'reset' && errorCode(error).startsWith('ERR_HTTP2_STREAM') ? 'UR' : undefined
}

/**
 * The flags of a call that is not tried again: those of its last try, and whether it was a bound of ours that forbade one more.
 * @param retries re-sends that it had; without any there is no bound that it met
 */
export function flagsOfEnd(attempt: TryOutcome, { why }: RetryDecision & { readonly again: false }, retries: number): ResponseFlags {
  const flags = flagsOfTry(attempt)
  if (why === 'attempts' && retries > 0) return withFlag(flags, 'URX')
  return why === 'budget' || why === 'limit' ? withFlag(flags, 'UO') : flags
}

/** Whether the caller should see undici's own error: it is about the request, not about the service. */
export function isCallersMistake(error: unknown): boolean {
  return CALLERS_MISTAKES.has(errorCode(error))
}

/** The error of a try that ran out of time. */
export function tryTimedOut(service: string, endpoint: string, afterMs: number): Error {
  return meshErrorWithoutStack('MESH_DEADLINE', {
    service,
    endpoint,
    reason: `no answer from ${endpoint} within ${Math.round(afterMs)} ms`,
  })
}

/** What went wrong, in the words of the error itself: without the service that a MeshError puts in front. */
export function saidBy(error: unknown): string {
  if (isMeshError(error)) return error.reason
  return error instanceof Error ? error.message : String(error)
}

function errorCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : ''
}
