import { builtinModule } from '../core/builtin-module.ts'
import type { Refusal } from '../core/gate.ts'
import type { Peer } from './peer.ts'

/** An answer in place of the application's (RFC 9457): status, headers by their lower-case names, and a body of JSON. */
export interface Problem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Whom an answer is for. */
interface Asker {
  readonly peer: Peer
  header(name: string): string | undefined
}

/**
 * What a refused client is told. Why, and by which rule, hears only an authenticated peer of the mesh: to a stranger it would be a map
 * of the policy.
 * @throws what a gate wants said that no answer can say: its status is none of an error, or a header would be two
 */
export function problemOf({ code, status, reason, retryAfterMs, from, headers: more, challenge }: Refusal, asker: Asker): Problem {
  if (!Number.isInteger(status) || status < 400 || status > 599) throw new RangeError(`a refusal has no status ${status}`)
  const detail = asker.peer.standing === 'peer' ? { detail: reason, ...(from === undefined ? {} : { rule: from }) } : {}
  const body = JSON.stringify({
    type: 'about:blank',
    title: builtinModule('node:http').STATUS_CODES[status] ?? 'Error',
    status,
    code,
    ...detail,
  })
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
  }
  if (retryAfterMs !== undefined) headers['retry-after'] = String(secondsOf(retryAfterMs))
  const proof = challenge ?? (status === 401 ? bearer(asker) : undefined)
  if (proof !== undefined) put(headers, 'www-authenticate', proof)
  if (more !== undefined) for (const [name, value] of more) put(headers, name, value)
  return { status, headers, body }
}

/** Not every way of answering checks by itself. */
function put(headers: Record<string, string>, name: string, value: string): void {
  const { validateHeaderName, validateHeaderValue } = builtinModule('node:http')
  validateHeaderName(name)
  validateHeaderValue(name, value)
  headers[name.toLowerCase()] = value
}

/** Whole seconds, rounded up, at most a day: a client that is told less comes too early. */
function secondsOf(ms: number): number {
  return ms > 0 ? Math.min(Math.ceil(ms / 1_000), 86_400) : 0
}

/** RFC 6750 §3: what was wrong with a token is said only to those who sent one. */
function bearer(asker: Asker): string {
  return asker.header('authorization') === undefined ? 'Bearer' : 'Bearer error="invalid_token"'
}
