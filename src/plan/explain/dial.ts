import { canonicalHost, splitHost } from '../../core/host.ts'
import type { Explanation } from '../../model/explanation.ts'
import { sanText } from '../../security/spiffe/san-matcher.ts'
import { secured } from '../secured.ts'
import type { Subject } from './subject.ts'

/** What goes to an endpoint: the request line and its `Host`, and what TLS is asked to prove. */
export function explainedDial({ plan, asked }: Subject): NonNullable<Explanation['dial']> {
  const { host, method, path, secure } = asked
  const tls = secured(plan.policy)
  const request = { protocol: 'http/1.1', method, path, authority: host } as const
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
