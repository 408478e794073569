import type { Refusal } from '../../core/gate.ts'
import type { HeaderSettings } from '../../model/inbound.ts'
import { MALFORMED } from './malformed.ts'

/** Names that peers inside a mesh tell each other: from a stranger they are a forgery. */
const INTERNAL = /^x-(?:envoy|mesh|inmesh)-/i
/** What a proxy says of the certificate of whoever called it. */
export const CLIENT_CERTIFICATE = 'x-forwarded-client-cert'

/**
 * What a look over the headers found. `marked`: some header has to be removed before anybody reads it.
 * @see scanHeaders
 */
export interface HeaderFindings {
  writtenHost: string | undefined
  marked: boolean
}

/** How far the peer of a connection is believed: a stranger, an authenticated peer of the mesh, a proxy of ours. */
export type Standing = 'stranger' | 'peer' | 'proxy'

/**
 * Looks once over the headers as they came in (name, value, name, value …), since what Node makes of them hides the second `Host` or
 * `Authorization`. Refuses what may be read in two ways, and notes what {@link removeHeaders} has to take out.
 * @param cutAt a list as long as this may have been cut by Node, without a word
 */
export function scanHeaders(
  raw: readonly string[],
  settings: HeaderSettings,
  standing: Standing,
  findings: HeaderFindings,
  cutAt: number,
): Refusal | undefined {
  if (raw.length > 2 * settings.maxCount || raw.length >= cutAt) return MALFORMED.tooMany
  let size = 0
  let authorization = false
  let length = false
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string
    size += name.length + (raw[at + 1] as string).length
    switch (name.length) {
      case 4:
        if (sameName(name, 'host')) {
          if (findings.writtenHost !== undefined) return MALFORMED.duplicate
          findings.writtenHost = raw[at + 1] as string
        }
        break
      case 13:
        if (sameName(name, 'authorization')) {
          if (authorization) return MALFORMED.duplicate
          authorization = true
        }
        break
      case 14:
        if (sameName(name, 'content-length')) {
          if (length) return MALFORMED.duplicate
          length = true
        }
        break
    }
    if (name.includes('_') && settings.underscores !== 'keep') {
      if (settings.underscores === 'refuse') return MALFORMED.underscore
      findings.marked = true
    }
    if (!findings.marked && isForged(name, standing)) findings.marked = true
  }
  return size > settings.maxBytes ? MALFORMED.tooLarge : undefined
}

/** Takes out what the peer has no right to say, of the list and of what Node made of it; both are changed in place. */
export function removeHeaders(
  raw: string[],
  headers: Record<string, unknown>,
  underscores: HeaderSettings['underscores'],
  standing: Standing,
): void {
  let kept = 0
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string
    if (isForged(name, standing) || (underscores === 'drop' && name.includes('_'))) {
      delete headers[name.toLowerCase()]
      continue
    }
    raw[kept++] = name
    raw[kept++] = raw[at + 1] as string
  }
  raw.length = kept
}

function isForged(name: string, standing: Standing): boolean {
  const first = name.charCodeAt(0)
  if (standing === 'proxy' || (first !== 0x78 && first !== 0x58)) return false
  return sameName(name, CLIENT_CERTIFICATE) || (standing === 'stranger' && INTERNAL.test(name))
}

/** Whether `name`, as it came in, is `lower`. */
export function sameName(name: string, lower: string): boolean {
  return name === lower || (name.length === lower.length && name.toLowerCase() === lower)
}

/** Headers whose value is one, with commas of its own (RFC 9110 §5.5 calls them singletons); all others are lists. */
const SINGLE: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'user-agent',
  'host',
  'date',
  'expires',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'last-modified',
  'referer',
  'location',
  'from',
  'content-type',
])

/** Every value of `name`: of each time it is there, and, where the header is a list, of each side of a comma. */
export function headerValues(raw: readonly string[], name: string): string[] {
  const values: string[] = []
  const single = SINGLE.has(name)
  for (let at = 0; at < raw.length; at += 2) {
    if (!sameName(raw[at] as string, name)) continue
    const value = raw[at + 1] as string
    if (single || !value.includes(',')) values.push(value)
    else for (const piece of value.split(',')) if (piece.trim() !== '') values.push(piece.trim())
  }
  return values
}

/** The first value of `name` as it came in, or undefined. */
export function firstHeader(raw: readonly string[], name: string): string | undefined {
  for (let at = 0; at < raw.length; at += 2) if (sameName(raw[at] as string, name)) return raw[at + 1]
  return undefined
}
