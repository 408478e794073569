import type { Call } from '../core/call.ts'
import { cookieIn } from '../core/cookie.ts'
import type { CookieSettings } from '../model/balancing.ts'

/** The value of the cookie `name` that a call carries, without quotes; undefined when it is missing or empty. */
export function cookieOf(call: Call, name: string): string | undefined {
  for (const header of call.headerValues?.('cookie') ?? [call.header('cookie')]) {
    const value = cookieIn(header, name)
    if (value !== undefined) return value
  }
  return undefined
}

/** A `Set-Cookie` that scripts of a page cannot read. Without a `ttlMs` above 0 it lasts as long as the session of the browser. */
export function setCookie({ name, ttlMs = 0, path }: CookieSettings, value: string): string {
  const age = ttlMs > 0 ? `; Max-Age=${Math.max(1, Math.floor(ttlMs / 1_000))}` : ''
  return `${name}=${value}${age}${path === undefined ? '' : `; Path=${path}`}; HttpOnly`
}
