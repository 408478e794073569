import type { TokenPlace } from '../../model/authentication.ts'
import type { InboundCall } from '../../model/inbound-call.ts'

/** Two are where one should be; which of them the application would take nobody knows. */
export const SEVERAL: unique symbol = Symbol('several')

/** Reads what is at one place of a request: the token's text, nothing, or {@link SEVERAL}. */
export type ReadPlace = (call: InboundCall) => string | undefined | typeof SEVERAL

/** How a place is read; made once, not for each request. */
export function readerOf(place: TokenPlace): ReadPlace {
  const { name } = place
  if (place.kind === 'header') {
    const { prefix } = place
    const lowerCase = prefix.toLowerCase()
    return (call) => fromHeader(call.values(name), prefix, lowerCase)
  }
  if (place.kind === 'query') return (call) => (call.query === '' ? undefined : only(fromQuery(call.query, name)))
  return (call) => {
    const values = call.values('cookie')
    // A comma is no border in a cookie: the header as it came, unless there are several.
    return values.length === 0 ? undefined : only(fromCookies(values.length === 1 ? call.header('cookie') : values.join(';'), name))
  }
}

function fromHeader(values: readonly string[], prefix: string, lowerCase: string): string | undefined | typeof SEVERAL {
  if (values.length === 0) return undefined
  if (values.length === 1) return cut(values[0] as string, prefix, lowerCase)
  return values.some((value) => cut(value, prefix, lowerCase) !== undefined) ? SEVERAL : undefined
}

/** What follows the prefix; undefined when the header holds something else, such as other credentials. */
function cut(value: string, prefix: string, lowerCase: string): string | undefined {
  if (value.startsWith(prefix)) return value.slice(prefix.length)
  const start = value.slice(0, prefix.length).toLowerCase()
  // `Bearer` alone promises a token, and holds none.
  return start === lowerCase || (value !== '' && start === lowerCase.trimEnd()) ? value.slice(prefix.length) : undefined
}

function fromQuery(query: string, name: string): string[] {
  const found: string[] = []
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=')
    if (decoded(at < 0 ? pair : pair.slice(0, at)) === name) found.push(at < 0 ? '' : decoded(pair.slice(at + 1)))
  }
  return found
}

/** As a form writes it; what is no escape stays, and is no part of any token. */
function decoded(text: string): string {
  if (!/[%+]/.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

function fromCookies(cookies: string | undefined, name: string): string[] {
  const found: string[] = []
  for (const pair of cookies?.split(';') ?? []) {
    const at = pair.indexOf('=')
    if (at >= 0 && pair.slice(0, at).trim() === name) {
      const value = pair.slice(at + 1).trim()
      found.push(value.replace(/^"(.*)"$/, '$1'))
    }
  }
  return found
}

function only(found: readonly string[]): string | undefined | typeof SEVERAL {
  return found.length > 1 ? SEVERAL : found[0]
}
