import type { Priority } from '../../core/call.ts'
import { canonicalPath } from '../../core/canonical-path.ts'
import { MeshError } from '../../core/errors.ts'
import { isIP } from '../../core/ip.ts'
import { type Problem, problemText } from '../../core/problem.ts'
import type { AuthorizeRequest } from '../../model/authorization.ts'
import type { InboundCall } from '../../model/inbound-call.ts'
import type { Principal, RequestPrincipal } from '../../model/principal.ts'
import { rulePath } from '../canonical/rule-path.ts'
import { Reader } from './reader.ts'

const NAMES = [
  'principal',
  'method',
  'host',
  'path',
  'headers',
  'source',
  'remote',
  'port',
  'destination',
  'serverName',
  'claims',
] as const satisfies readonly (keyof AuthorizeRequest)[]

/**
 * The request that `mesh.authorize` is asked about, as if it had come in.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function questionOf(request: AuthorizeRequest, service = ''): InboundCall {
  const problems: Problem[] = []
  const at = new Reader(problems, 'authorize')
  const fields = at.fields(request, NAMES, { lax: true }) ?? {}
  const text = (name: (typeof NAMES)[number], otherwise: string): string =>
    fields[name] === undefined ? otherwise : (at.at(name).text(fields[name], 'text') ?? otherwise)
  const address = (name: 'source' | 'remote' | 'destination', otherwise: string): string => {
    if (fields[name] === undefined) return otherwise
    const written = text(name, otherwise)
    if (isIP(written) === 0) at.at(name).tell(`expected an address, got ${JSON.stringify(written)}`)
    return written
  }
  const path = text('path', '/')
  if (!path.startsWith('/')) at.at('path').tell(`expected a path that begins with /, got ${JSON.stringify(path)}`)
  const source = address('source', '127.0.0.1')
  const call = new AskedCall({
    service,
    method: text('method', 'GET').toUpperCase(),
    host: text('host', service),
    path,
    headers: headersOf(fields.headers, at.at('headers')),
    peerAddress: source,
    remoteAddress: address('remote', source),
    port: fields.port === undefined ? 0 : (at.at('port').integer(fields.port, 0, 65_535) ?? 0),
    localAddress: address('destination', '127.0.0.1'),
    serverName: fields.serverName === undefined ? undefined : text('serverName', ''),
    principal: fields.principal === undefined ? undefined : principalOf(text('principal', '')),
    requestPrincipal: fields.claims === undefined ? undefined : requestPrincipalOf(fields.claims, at.at('claims')),
  })
  if (problems.length > 0) throw new MeshError('MESH_CONFIG', { reason: problems.map(problemText).join('\n') })
  return call
}

type Given = Pick<
  InboundCall,
  | 'service'
  | 'method'
  | 'host'
  | 'path'
  | 'peerAddress'
  | 'remoteAddress'
  | 'port'
  | 'localAddress'
  | 'serverName'
  | 'principal'
  | 'requestPrincipal'
> & { readonly headers: ReadonlyMap<string, readonly string[]> }

class AskedCall implements InboundCall {
  readonly service: string
  readonly method: string
  readonly host: string
  readonly hostname: string
  readonly path: string
  readonly pathname: string
  readonly query: string
  readonly port: number
  readonly localAddress: string
  readonly peerAddress: string
  readonly remoteAddress: string
  readonly secure: boolean
  readonly serverName: string | undefined
  readonly principal: Principal | undefined
  requestPrincipal: RequestPrincipal | undefined
  readonly idempotent = false
  readonly priority: Priority = 'normal'
  readonly hashKey = undefined
  readonly startedAt = 0
  readonly deadline = Number.POSITIVE_INFINITY
  readonly tries = 0
  readonly moves = 0
  private readonly headers: ReadonlyMap<string, readonly string[]>

  constructor(given: Given) {
    const { path, host } = given
    const mark = path.indexOf('?')
    this.service = given.service
    this.method = given.method
    this.host = host
    this.hostname = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
    this.pathname = rulePath(mark < 0 ? path : path.slice(0, mark)) ?? canonicalPath(path)
    this.query = mark < 0 ? '' : path.slice(mark + 1)
    this.path = mark < 0 ? this.pathname : `${this.pathname}?${this.query}`
    this.port = given.port
    this.localAddress = given.localAddress
    this.peerAddress = given.peerAddress
    this.remoteAddress = given.remoteAddress
    this.secure = given.principal !== undefined || given.serverName !== undefined
    this.serverName = given.serverName
    this.principal = given.principal
    this.requestPrincipal = given.requestPrincipal
    this.headers = given.headers
  }

  header(name: string): string | undefined {
    return this.values(name)[0]
  }

  values(name: string): readonly string[] {
    return this.headers.get(name) ?? []
  }

  hasTried(): boolean {
    return false
  }
}

function headersOf(written: unknown, at: Reader): ReadonlyMap<string, readonly string[]> {
  const headers = new Map<string, readonly string[]>()
  if (written === undefined) return headers
  const fields = at.fields(written, Object.keys((written ?? {}) as object)) ?? {}
  for (const [name, value] of Object.entries(fields)) {
    const list: unknown[] = Array.isArray(value) ? value : [value]
    const values = list.flatMap((each) => (typeof each === 'string' ? each.split(',') : (at.at(name).tell('expected text') ?? [])))
    const key = name.toLowerCase()
    headers.set(key, [...(headers.get(key) ?? []), ...values.map((each) => each.trim())])
  }
  return headers
}

function requestPrincipalOf(written: unknown, at: Reader): RequestPrincipal | undefined {
  const claims = at.fields(written, Object.keys((written ?? {}) as object), { lax: true })
  if (claims === undefined) return undefined
  const { iss, sub } = claims as { iss?: unknown; sub?: unknown }
  const issuer = typeof iss === 'string' ? iss : ''
  const subject = typeof sub === 'string' ? sub : ''
  return { id: `${issuer}/${subject}`, issuer, subject, claims }
}

/** `cluster.local/ns/shop/sa/web` is the SPIFFE id that Istio writes so; a text without slashes is the name in a certificate. */
function principalOf(written: string): Principal {
  const id = written.includes('/') && !written.includes('://') ? `spiffe://${written}` : written
  const [, trustDomain, path = ''] = /^spiffe:\/\/([^/]+)(.*)$/.exec(id) ?? []
  const [, namespace, serviceAccount] = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(path) ?? []
  return { id, trustDomain, namespace, serviceAccount }
}
