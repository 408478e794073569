import { REDACTED } from './secret.ts'

/** Names of headers, parameters and claims whose values let somebody in. */
const CREDENTIAL = /authorization|cookie|token|secret|passw|session|credential|signature|api-?key|(?:^|[-_.])(?:auth|key)(?:[-_.]|$)/i

/** A URL, or the path of one, as messages say it: without the two places where a secret may stand, its credentials and its query. */
export function spokenUrl(url: string): string {
  const query = url.indexOf('?')
  const place = withoutUserInfo(query < 0 ? url : url.slice(0, query))
  return query < 0 ? place : `${place}?${REDACTED}`
}

/** Text that may be meant for a URL or an address: `user:password@host` loses what stands before the `@`. */
export function withoutUserInfo(text: string): string {
  return text.replace(/[^\s/@"'=]*:[^\s/@]*@/g, `${REDACTED}@`)
}

/** The value of a header as explanations say it: one that lets somebody in says nothing. */
export function spokenHeader(name: string, value: string): string {
  return CREDENTIAL.test(name) ? REDACTED : value
}

/** All of them; values that are no text stay. */
export function spokenHeaders<T>(headers: Readonly<Record<string, T>>): Record<string, T | string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? spokenHeader(name, value) : value] as const),
  )
}

/**
 * For `JSON.stringify` of configuration: what rules write into headers, or compare them with, may let somebody in. It goes by the names of
 * those headers, since the rest is what a reader looks for.
 */
export function withoutCredentials(key: string, value: unknown): unknown {
  if (typeof value === 'string') return key === 'path' ? spokenUrl(value) : value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  if (HEADER_MAPS.has(key)) return spokenHeaders(value as Record<string, unknown>)
  const { name, key: asked } = value as { name?: unknown; key?: unknown }
  const about = typeof name === 'string' ? name : typeof asked === 'string' ? (/\[(.*)\]$/.exec(asked)?.[1] ?? '') : ''
  return CREDENTIAL.test(about) ? { ...value, ...comparedWith(value as Record<string, unknown>) } : value
}

/** Whose entries are names of headers and their values. */
const HEADER_MAPS: ReadonlySet<string> = new Set(['set', 'add', 'headers'])

function comparedWith({ text, value, values, notValues }: Record<string, unknown>): Record<string, unknown> {
  return {
    ...(typeof value === 'string' ? { value: REDACTED } : {}),
    ...(typeof text === 'object' && text !== null ? { text: { ...text, value: REDACTED } } : {}),
    ...(Array.isArray(values) ? { values: values.map(() => REDACTED) } : {}),
    ...(Array.isArray(notValues) ? { notValues: notValues.map(() => REDACTED) } : {}),
  }
}
