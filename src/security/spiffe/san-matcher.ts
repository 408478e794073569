import type { SanMatch } from '../../model/identity.ts'
import type { Certificate } from '../x509/certificate.ts'
import { parseSpiffeId, trustDomainProblem } from './spiffe-id.ts'

/** Whether one of the names of `certificate` (URIs and DNS names) is matched by one of `matches`. */
export function matchesSan(matches: readonly SanMatch[], { uris, dnsNames }: Pick<Certificate, 'uris' | 'dnsNames'>): boolean {
  // DNS names are compared without case (RFC 4343), URIs with.
  return matches.some(
    (match) => uris.some((uri) => matchesName(match, uri)) || dnsNames.some((name) => matchesDns(match, name.toLowerCase())),
  )
}

/** A wildcard in a certificate stands for one label (RFC 6125 §6.4.3). */
function matchesDns(match: SanMatch, name: string): boolean {
  if (matchesName(match, name)) return true
  const dot = match.value.indexOf('.')
  return match.type === 'exact' && dot > 0 && name.startsWith('*.') && match.value.slice(dot) === name.slice(1)
}

/** Whether `name` is matched. */
function matchesName({ type, value }: SanMatch, name: string): boolean {
  if (type === 'exact') return name === value
  if (type === 'prefix') return name.length > value.length && name.startsWith(value)
  if (type === 'suffix') return name.length > value.length && name.endsWith(value)
  return name !== ''
}

/** The trust domain that a match is about; undefined when it names none. */
export function trustDomainOf({ type, value }: SanMatch): string | undefined {
  if (type !== 'exact' && type !== 'prefix') return undefined
  return /^spiffe:\/\/([^/]+)(?:\/|$)/.exec(value)?.[1]
}

/**
 * Reads a match as it is written: `spiffe://example.org/ns/a/sa/b` is exact, `spiffe://example.org/*` a prefix, `*.example.org` a suffix, `*`
 * anything. Says what is wrong with it otherwise: a prefix that ends within a trust domain would match the domains of others.
 */
export function readSanMatch(written: string): SanMatch | { readonly problem: string } {
  if (written === '*') return { type: 'presence', value: '' }
  const stars = written.split('*').length - 1
  if (stars > 1 || (stars === 1 && !written.startsWith('*') && !written.endsWith('*')))
    return { problem: 'a star stands at the beginning or at the end, and once' }
  if (stars === 0) {
    if (!written.startsWith('spiffe:')) return { type: 'exact', value: /^[a-z]+:\/\//.test(written) ? written : written.toLowerCase() }
    const id = parseSpiffeId(written)
    return 'problem' in id ? id : { type: 'exact', value: written }
  }
  if (written.startsWith('*')) return { type: 'suffix', value: written.slice(1) }
  const value = written.slice(0, -1)
  if (!value.startsWith('spiffe:')) return { type: 'prefix', value }
  const domain = /^spiffe:\/\/([^/]*)\//.exec(value)?.[1]
  if (domain === undefined) return { problem: 'a prefix of a SPIFFE id names a whole trust domain: spiffe://example.org/*' }
  const problem = trustDomainProblem(domain)
  return problem === undefined ? { type: 'prefix', value } : { problem }
}

/** A match as it is written. */
export function sanText({ type, value }: SanMatch): string {
  if (type === 'exact') return value
  if (type === 'presence') return '*'
  return type === 'prefix' ? `${value}*` : `*${value}`
}
