import type { Principal } from '../model/principal.ts'
import { principalOf as spiffePrincipal } from './peer-verifier.ts'
import { parseSpiffeId } from './spiffe/spiffe-id.ts'

/** One element of `X-Forwarded-Client-Cert`: what a proxy says of the certificate of whoever called it. */
export interface ForwardedCertificate {
  /** SAN URIs of the proxy's own certificate. */
  readonly by: readonly string[]
  /** SHA-256 of the certificate, in hex. */
  readonly hash: string | undefined
  readonly subject: string | undefined
  /** SAN URIs of the certificate. */
  readonly uris: readonly string[]
  /** SAN DNS names of the certificate. */
  readonly dns: readonly string[]
  /** URL-encoded PEM. */
  readonly cert: string | undefined
  /** URL-encoded PEM of the whole chain. */
  readonly chain: string | undefined
}

/**
 * Reads the header in Envoy's grammar: elements by comma, pairs by semicolon, values that hold one of `,;=` in double quotes, in which
 * a backslash escapes. Undefined: it cannot be read, or says one thing twice; then nothing of it may be believed.
 */
export function parseForwardedCertificates(header: string): readonly ForwardedCertificate[] | undefined {
  if (header.length > MAX_LENGTH) return undefined
  if (header.trim() === '') return []
  const elements: ForwardedCertificate[] = []
  let pairs = new Map<string, string[]>()
  for (let at = 0; ; at++) {
    PAIR.lastIndex = at
    const found = PAIR.exec(header)
    if (found === null) return undefined
    const [whole, name = '', quoted, plain = ''] = found
    const key = name.toLowerCase()
    const value = quoted === undefined ? plain.trim() : quoted.replace(/\\(.)/g, '$1')
    const values = pairs.get(key) ?? []
    pairs.set(key, values)
    // Envoy leaves out what a certificate does not have, or writes it empty.
    if (value !== '') values.push(value)
    at += whole.length
    const border = header[at]
    if (border === ';') continue
    const element = elementOf(pairs)
    if (element === undefined || elements.length === MAX_ELEMENTS) return undefined
    elements.push(element)
    if (border === undefined) return elements
    pairs = new Map()
  }
}

function elementOf(pairs: ReadonlyMap<string, readonly string[]>): ForwardedCertificate | undefined {
  const one = (key: string): string | undefined => pairs.get(key)?.[0]
  for (const [key, values] of pairs) if (!KEYS.has(key) || (values.length > 1 && !REPEATED.has(key))) return undefined
  return {
    by: pairs.get('by') ?? [],
    hash: one('hash'),
    subject: one('subject'),
    uris: pairs.get('uri') ?? [],
    dns: pairs.get('dns') ?? [],
    cert: one('cert'),
    chain: one('chain'),
  }
}

/**
 * Who is behind the proxies, by the header of a proxy that is trusted; of anybody else it may not be looked at. Undefined: nobody is told
 * of, and the peer stands for itself. `nobody`: the one who is told of has no identity. `unreadable`: it cannot be read. In neither of
 * these may the request go on under the principal of the proxy, which would give a stranger its rights.
 *
 * Each proxy appends an element for whoever called it, so the last is the nearest; one that tells of a trusted proxy is passed over.
 * @param values of each time that the header is there, in their order
 * @param isProxy whether this id is a trusted proxy's
 */
export function forwardedPrincipal(
  values: readonly string[],
  isProxy: (id: string) => boolean,
): Principal | 'nobody' | 'unreadable' | undefined {
  const elements = values.length === 0 ? [] : parseForwardedCertificates(values.join(','))
  if (elements === undefined) return 'unreadable'
  for (let at = elements.length - 1; at >= 0; at--) {
    const principal = principalOf(elements[at] as ForwardedCertificate)
    if (principal === undefined) return 'nobody'
    if (at === 0 || !isProxy(principal.id)) return principal
  }
  return undefined
}

/** A certificate with two URIs is no SPIFFE identity, and which of the two counts nobody may choose (SPIFFE X509-SVID §2). */
function principalOf({ uris, dns, subject }: ForwardedCertificate): Principal | undefined {
  const [uri, ...more] = uris
  if (uri !== undefined) {
    const id = parseSpiffeId(uri)
    return more.length > 0 || 'problem' in id || id.path === '' ? undefined : spiffePrincipal(id)
  }
  const id = dns[0] ?? subject
  // A name that somebody was given must not pass for an identity that was proved.
  if (id === undefined || id.includes('://')) return undefined
  return { id, trustDomain: undefined, namespace: undefined, serviceAccount: undefined }
}

const PAIR = /\s*([A-Za-z]{1,16})=(?:"((?:[^"\\]|\\.)*)"\s*|([^",;]*))(?=[,;]|$)/y
const KEYS: ReadonlySet<string> = new Set(['by', 'hash', 'cert', 'chain', 'subject', 'uri', 'dns'])
const REPEATED: ReadonlySet<string> = new Set(['by', 'uri', 'dns'])
const MAX_LENGTH = 64 * 1024
const MAX_ELEMENTS = 32
