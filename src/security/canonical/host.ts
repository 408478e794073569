import { isIPv6 } from '../../core/ip.ts'

/** An authority taken apart: `host` as it is written back, `hostname` as policy reads it. */
export interface CanonicalHost {
  /** Lower case, without trailing dot, with the port where one was written. */
  readonly host: string
  /** The same without the port; IPv6 without brackets. */
  readonly hostname: string
  /** Empty when none was written. */
  readonly port: string
}

const NAME = /^([a-z0-9_](?:[a-z0-9._-]*[a-z0-9_-])?)\.?(?::(\d{0,5}))?$/
const BRACKETED = /^\[([0-9a-f:.]+)\](?::(\d{0,5}))?$/

/** `Host`, `:authority` or the authority of an absolute target; undefined when it is not a host with or without a port. */
export function canonicalHost(written: string): CanonicalHost | undefined {
  const lower = written.toLowerCase()
  const named = NAME.exec(lower)
  const found = named ?? BRACKETED.exec(lower)
  if (found === null) return undefined
  const port = found[2] === undefined || found[2] === '' ? '' : String(Number(found[2]))
  if (Number(port) > 65_535) return undefined
  if (named !== null) {
    const name = found[1] as string
    if (name.includes('..') || name.length > 253) return undefined
    return { host: port === '' ? name : `${name}:${port}`, hostname: name, port }
  }
  if (!isIPv6(found[1] as string)) return undefined
  const bracketed = new URL(`http://[${found[1]}]/`).hostname
  return { host: port === '' ? bracketed : `${bracketed}:${port}`, hostname: bracketed.slice(1, -1), port }
}

/** Whether two authorities are the same under `scheme`, whose own port may be written or not. */
export function sameHost(one: CanonicalHost, other: CanonicalHost, scheme: string): boolean {
  const own = scheme === 'https' ? '443' : '80'
  return one.hostname === other.hostname && (one.port || own) === (other.port || own)
}
