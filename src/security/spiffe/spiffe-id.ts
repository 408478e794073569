/** A SPIFFE id taken apart (SPIFFE-ID §2). */
export interface SpiffeId {
  readonly id: string
  readonly trustDomain: string
  /** Empty, or begins with a slash. */
  readonly path: string
}

const SCHEME = 'spiffe://'
const MAX_BYTES = 2_048
const MAX_TRUST_DOMAIN_BYTES = 255

/** Why `name` is no trust domain; undefined when it is one. */
export function trustDomainProblem(name: string): string | undefined {
  if (name === '') return 'the trust domain is missing'
  if (name.length > MAX_TRUST_DOMAIN_BYTES) return `the trust domain is longer than ${MAX_TRUST_DOMAIN_BYTES} bytes`
  if (/[@:]/.test(name)) return 'a trust domain has neither user nor port'
  return /^[a-z0-9._-]+$/.test(name) ? undefined : 'a trust domain is made of a–z, 0–9, dot, dash and underscore'
}

/**
 * Takes a SPIFFE id apart, or says what is wrong with it. To the letter of the specification: nothing is decoded, folded or
 * normalised, since two spellings of one identity are two ways past a policy.
 */
export function parseSpiffeId(text: string): SpiffeId | { readonly problem: string } {
  if (text.length > MAX_BYTES) return { problem: `a SPIFFE id has at most ${MAX_BYTES} bytes` }
  if (!text.startsWith(SCHEME)) return { problem: 'a SPIFFE id begins with spiffe:// in lower case' }
  const slash = text.indexOf('/', SCHEME.length)
  const end = slash < 0 ? text.length : slash
  const trustDomain = text.slice(SCHEME.length, end)
  const path = text.slice(end)
  const problem = trustDomainProblem(trustDomain) ?? pathProblem(path)
  return problem === undefined ? Object.freeze({ id: text, trustDomain, path }) : { problem }
}

function pathProblem(path: string): string | undefined {
  if (path === '') return undefined
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') return 'the path has an empty segment, or ends in a slash'
    if (segment === '.' || segment === '..') return 'the path has a relative segment'
    if (!/^[A-Za-z0-9._-]+$/.test(segment)) return 'a path is made of letters, digits, dot, dash and underscore'
  }
  return undefined
}
