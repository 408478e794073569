import type { Call } from '../core/call.ts'
import type { CookieSettings } from '../model/balancing.ts'

/** The value of the cookie `name` that a call carries, without quotes; undefined when it is missing or empty. */
export function cookieOf(call: Call, name: string): string | undefined {
  for (const header of call.headerValues?.('cookie') ?? [call.header('cookie')]) {
    for (const pair of header?.split(';') ?? []) {
      const equals = pair.indexOf('=')
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
      const value = pair.slice(equals + 1).trim()
      return (value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value) || undefined
    }
  }
  return undefined
}

/** A `Set-Cookie` that scripts of a page cannot read. Without a `ttlMs` above 0 it lasts as long as the session of the browser. */
export function setCookie({ name, ttlMs = 0, path }: CookieSettings, value: string): string {
  const age = ttlMs > 0 ? `; Max-Age=${Math.max(1, Math.floor(ttlMs / 1_000))}` : ''
  return `${name}=${value}${age}${path === undefined ? '' : `; Path=${path}`}; HttpOnly`
}
