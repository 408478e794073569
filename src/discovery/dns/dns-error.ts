/** What c-ares' codes mean. */
const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name does not exist',
  ENODATA: 'the name has no such record',
  ESERVFAIL: 'the server failed (SERVFAIL)',
  EREFUSED: 'the server refused the query',
  ETIMEOUT: 'no answer in time',
  ECONNREFUSED: 'no server can be reached',
  EBADRESP: 'the answer cannot be read',
  ECANCELLED: 'the resolver was closed',
  EEMPTY: 'an answer without an address, as a loop of CNAME records gives',
  EADDRESSREFUSED: 'no address that may be dialled',
}

/** Why a name could not be resolved. */
export class DnsError extends Error {
  /** c-ares' code, or one of ours: `EEMPTY`, `EADDRESSREFUSED`. */
  readonly code: string
  /** A server said with authority that there is nothing; all else only means that nobody knows. */
  readonly absent: boolean

  constructor(name: string, code: string, detail?: string) {
    super(`${name}: ${detail ?? WORDS[code] ?? 'the query failed'} (${code})`)
    this.name = 'DnsError'
    this.code = code
    this.absent = code === 'ENOTFOUND' || code === 'ENODATA'
  }
}

/** `thrown` by a query for `name`, as a {@link DnsError}. */
export function dnsError(name: string, thrown: unknown): DnsError {
  if (thrown instanceof DnsError) return thrown
  const code = (thrown as { code?: unknown } | null)?.code
  return new DnsError(name, typeof code === 'string' ? code : 'EUNKNOWN')
}
