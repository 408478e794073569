import { canonicalHost, splitHost } from '../../core/host.ts'
import type { Explanation } from '../../model/explanation.ts'
import { sanText } from '../../security/spiffe/san-matcher.ts'
import { secured } from '../secured.ts'
import type { ServicePlan } from '../service-plan.ts'
import type { Subject } from './subject.ts'

/** What goes to an endpoint: the request line and its `Host`, and what TLS is asked to prove. */
export function explainedDial({ plan, asked }: Subject): NonNullable<Explanation['dial']> {
  const { host, method, path, secure } = asked
  const tls = secured(plan.policy)
  const request = { protocol: protocolOf(plan, secure), method, path, authority: host }
  if (tls === undefined && !secure) return request
  const name = canonicalHost(splitHost(host).host)
  const serverName = tls?.serverName ?? (name.startsWith('[') ? name.slice(1, -1) : name)
  return { ...request, serverName, ...(tls?.sans === undefined ? {} : { sans: tls.sans.map(sanText) }) }
}

/** How it is secured, in words. */
export function explainedTls({ plan, asked }: Subject): string {
  const tls = secured(plan.policy)
  const { urlHost = "the URL's host" } = asked
  if (tls === undefined) return asked.secure ? `TLS, name of ${urlHost}, system roots` : 'clear text'
  const { mode, ca, serverName = `of ${urlHost}` } = tls
  const sans = tls.sans?.map(sanText).join(', ')
  if (mode === 'mutual') return `mutual TLS, SPIFFE id ${sans ?? 'of our own trust domain'}`
  return `TLS, name ${sans ?? serverName}, ${ca === undefined ? 'system roots' : 'configured roots'}`
}

/** What is spoken, in words. */
export function explainedProtocol({ plan, asked }: Subject): string {
  const { secure } = asked
  switch (protocolOf(plan, secure)) {
    case 'h2':
      return isSecure(plan, secure) ? 'HTTP/2, which the server must agree on' : 'HTTP/2 by prior knowledge'
    case 'h2, http/1.1':
      return 'HTTP/2 or HTTP/1.1, as the server agrees'
    default:
      return 'HTTP/1.1'
  }
}

function protocolOf(plan: ServicePlan, secure: boolean): NonNullable<Explanation['dial']>['protocol'] {
  const { protocol } = plan.snapshot
  if (protocol === 'http2') return 'h2'
  return protocol === 'auto' && isSecure(plan, secure) ? 'h2, http/1.1' : 'http/1.1'
}

function isSecure({ policy }: ServicePlan, secure: boolean): boolean {
  return secure || secured(policy) !== undefined
}
