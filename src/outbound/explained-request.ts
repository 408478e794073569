import { MeshError } from '../core/errors.ts'
import type { ExplainRequest } from '../model/explanation.ts'
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
}

/** @throws MeshError `MESH_CONFIG` for a request that cannot be, with every problem and its place */
export function explainedRequest({ url, method = 'GET', headers = {} }: ExplainRequest): ExplainedRequest {
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
  if (origin === undefined || problems.length > 0) throw new MeshError('MESH_CONFIG', { reason: problems.join('\n') })
  const { authority: host, secure } = origin
  return { origin, host, secure, method: method.toUpperCase(), path: splitUrl(url)?.path ?? '/', headers }
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
