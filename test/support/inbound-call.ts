import type { InboundCall } from '../../src/model/inbound-call.ts'
import type { Principal, RequestPrincipal } from '../../src/model/principal.ts'

/** What a test says of a request that came in; the rest is a plain GET of `/`. */
export interface InboundCallOptions
  extends Partial<Omit<InboundCall, 'header' | 'values' | 'hasTried' | 'principal' | 'requestPrincipal'>> {
  headers?: Readonly<Record<string, string | readonly string[]>>
  /** SPIFFE id. */
  principal?: string
  requestPrincipal?: RequestPrincipal
}

/** A request as the gates before the application see it, without a server. */
export function inboundCall({ headers = {}, principal, requestPrincipal, ...rest }: InboundCallOptions = {}): InboundCall {
  const pathname = rest.pathname ?? rest.path?.replace(/\?.*$/, '') ?? '/'
  const values = (name: string): readonly string[] => [headers[name] ?? []].flat()
  return {
    service: 'web',
    method: 'GET',
    host: 'web',
    path: pathname,
    idempotent: true,
    priority: 'normal',
    hashKey: undefined,
    startedAt: 0,
    deadline: Number.POSITIVE_INFINITY,
    tries: 0,
    moves: 0,
    query: rest.path?.split('?')[1] ?? '',
    hostname: 'web',
    port: 8080,
    localAddress: '127.0.0.1',
    peerAddress: '127.0.0.1',
    remoteAddress: rest.peerAddress ?? '127.0.0.1',
    secure: principal !== undefined,
    serverName: undefined,
    ...rest,
    pathname,
    principal: principal === undefined ? undefined : principalOf(principal),
    requestPrincipal,
    header: (name) => values(name)[0],
    values,
    hasTried: () => false,
  }
}

function principalOf(id: string): Principal {
  const found = /^spiffe:\/\/([^/]+)(?:\/ns\/([^/]+)\/sa\/([^/]+))?/.exec(id)
  return { id, trustDomain: found?.[1], namespace: found?.[2], serviceAccount: found?.[3] }
}
