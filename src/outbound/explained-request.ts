import { isMeshError, MeshError } from '../core/errors.ts'
import { type CallSettings, NO_SETTINGS } from '../model/call-settings.ts'
import type { ExplainedWishes, ExplainRequest, WishFrom } from '../model/explanation.ts'
import type { CallOptions } from '../model/options.ts'
import { parseCallOptions } from './call-options.ts'
import { type Origin, parseOrigin } from './origin.ts'
import { splitUrl } from './url.ts'

/** A request that is to be explained, taken apart as a call would be. */
export interface ExplainedRequest {
  readonly origin: Origin
  /** Authority of the URL. */
  readonly host: string
  readonly secure: boolean
  /** Upper case. */
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly settings: CallSettings
  readonly hashKey: string | undefined
  readonly wishes: ExplainedWishes
}

/**
 * @param around what holds for a call at this moment
 * @throws MeshError `MESH_CONFIG` for a request that cannot be, with every problem and its place
 */
export function explainedRequest(request: ExplainRequest, around: CallSettings, now: number): ExplainedRequest {
  const { url, method = 'GET', headers = {}, mesh } = request
  const written = String(url)
  const origin = parseOrigin(url instanceof URL ? url : written)
  const problems: string[] = []
  if (origin === undefined) problems.push(`explain.url: expected an http or https URL, got ${JSON.stringify(written)}`)
  if (typeof method !== 'string' || !TOKEN.test(method))
    problems.push(`explain.method: expected a method such as GET, got ${JSON.stringify(method)}`)
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers)
    problems.push('explain.headers: expected an object of names and values')
  else
    for (const [name, value] of Object.entries(headers))
      if (typeof value !== 'string') problems.push(`explain.headers[${JSON.stringify(name)}]: expected a text, got ${typeof value}`)
  const settings = settingsOf(mesh, around, problems)
  if (origin === undefined || problems.length > 0) throw new MeshError('MESH_CONFIG', { reason: problems.join('\n') })
  const { authority: host, secure } = origin
  return {
    origin,
    host,
    secure,
    method: method.toUpperCase(),
    path: splitUrl(url)?.path ?? '/',
    headers,
    ...saidBy(mesh, settings, around, now),
  }
}

function settingsOf(mesh: unknown, around: CallSettings, problems: string[]): CallSettings {
  try {
    return parseCallOptions(mesh, around)
  } catch (error) {
    if (!isMeshError(error)) throw error
    problems.push(...error.reason.split('\n').map((problem) => `explain.${problem}`))
    return around
  }
}

/** Settings, and which of them somebody said: the call before what is around it, and that before the request that came in. */
function saidBy(
  given: CallOptions | null | undefined,
  settings: CallSettings,
  around: CallSettings,
  now: number,
): Pick<ExplainedRequest, 'settings' | 'wishes' | 'hashKey'> {
  const { timeoutMs, metadata, hashKey, notAfter } = settings
  const mesh = given ?? {}
  const values = { ...settings, timeout: timeoutMs, metadata: metadata?.wanted }
  const wishes: ExplainedWishes = {}
  for (const [wish, field] of WISHES) {
    const value = values[wish]
    if (value === undefined || (mesh[wish] === undefined && value === NO_SETTINGS[field])) continue
    wishes[wish] = { value: typeof value === 'object' ? { ...value } : value, from: byWhom(wish, field, mesh, around) }
  }
  if (notAfter !== Number.POSITIVE_INFINITY)
    wishes.deadline = { value: Math.max(0, Math.round(notAfter - now)), from: 'the request that came in' }
  return { settings, hashKey, wishes }
}

function byWhom(wish: keyof CallOptions, field: keyof CallSettings, mesh: CallOptions, around: CallSettings): WishFrom {
  if (mesh[wish] !== undefined) return 'this call'
  return around.within !== undefined && around.within[field] === around[field] ? 'the request that came in' : 'mesh.with'
}

/** Each option of a call, and the setting that it becomes. */
const WISHES = [
  ['timeout', 'timeoutMs'],
  ['idempotent', 'idempotent'],
  ['hashKey', 'hashKey'],
  ['priority', 'priority'],
  ['retries', 'retries'],
  ['metadata', 'metadata'],
  ['detached', 'detached'],
] as const satisfies readonly (readonly [keyof CallOptions, keyof CallSettings])[]

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
