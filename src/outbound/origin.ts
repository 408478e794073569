import { canonicalHost } from '../core/host.ts'

/** An origin taken apart. */
export interface Origin {
  readonly secure: boolean
  /** Canonical: lower case, no trailing dot, IPv6 in brackets. */
  readonly host: string
  readonly port: number
  /** `host` or `host:port` as the URL wrote it. */
  readonly authority: string
}

/** Takes `origin` apart; undefined when it is not an http or https URL. */
export function parseOrigin(origin: string | URL): Origin | undefined {
  let url: URL
  try {
    url = origin instanceof URL ? origin : new URL(origin)
  } catch {
    return undefined
  }
  const secure = url.protocol === 'https:'
  if (!secure && url.protocol !== 'http:') return undefined
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  return { secure, host: canonicalHost(url.hostname), port, authority: url.host }
}
