import { fetchClasses } from '../platform.ts'

/** Request headers as flat pairs: name, value, name, value. */
export type HeaderPairs = readonly string[]

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** What needs no second look: printable latin1 and tabs. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * Headers in every form that fetch takes, as flat pairs: values trimmed, what came twice joined as fetch joins it. Undefined when
 * something about them is unusual or wrong; the platform's fetch is the one to say what.
 */
export function headerPairs(init: unknown): HeaderPairs | undefined {
  if (init === undefined) return NO_HEADERS
  if (typeof init !== 'object' || init === null) return undefined
  const pairs: string[] = []
  if (init instanceof fetchClasses().Headers) {
    for (const [name, value] of init as unknown as Iterable<[string, string]>) if (!add(pairs, name, value)) return undefined
    return pairs
  }
  if (Symbol.iterator in init) {
    for (const pair of init as Iterable<unknown>) {
      if (!Array.isArray(pair) || pair.length !== 2 || !add(pairs, pair[0], pair[1])) return undefined
    }
    return pairs
  }
  if (Object.getOwnPropertySymbols(init).length > 0) return undefined
  for (const name of Object.keys(init)) if (!add(pairs, name, (init as Record<string, unknown>)[name])) return undefined
  return pairs
}

function add(pairs: string[], name: unknown, written: unknown): boolean {
  const value = typeof written === 'number' || typeof written === 'boolean' ? String(written) : written
  if (typeof name !== 'string' || typeof value !== 'string' || !TOKEN.test(name) || !VALUE.test(value)) return false
  const trimmed = value.replace(/^[\t ]+|[\t ]+$/g, '')
  const at = indexOfHeader(pairs, name.toLowerCase())
  if (at < 0) pairs.push(name, trimmed)
  else pairs[at + 1] = `${pairs[at + 1]}${name.toLowerCase() === 'cookie' ? '; ' : ', '}${trimmed}`
  return true
}

/** Where `name` (lower case) stands in `pairs`, or -1. */
export function indexOfHeader(pairs: HeaderPairs, name: string): number {
  for (let index = 0; index < pairs.length; index += 2) {
    const each = pairs[index] as string
    if (each.length === name.length && each.toLowerCase() === name) return index
  }
  return -1
}

/** `pairs` without the headers of those names (lower case). */
export function withoutHeaders(pairs: HeaderPairs, unwanted: (name: string) => boolean): HeaderPairs {
  return pairs.filter((_, index) => !unwanted((pairs[index & ~1] as string).toLowerCase()))
}

/** What fetch adds to every request that does not say otherwise, in its order. */
export function withDefaults(pairs: HeaderPairs, secure: boolean): HeaderPairs {
  if (pairs.length === 0) return secure ? SECURE_DEFAULTS : DEFAULTS
  const complete = [...pairs]
  const defaults = secure ? SECURE_DEFAULTS : DEFAULTS
  for (let index = 0; index < defaults.length; index += 2) {
    const name = defaults[index] as string
    if (indexOfHeader(pairs, name) >= 0) continue
    // A part of something compressed could not be decoded (Fetch, HTTP-network-or-cache fetch).
    const identity = name === 'accept-encoding' && indexOfHeader(pairs, 'range') >= 0
    complete.push(name, identity ? 'identity' : (defaults[index + 1] as string))
  }
  if (CONDITIONAL.some((name) => indexOfHeader(pairs, name) >= 0)) {
    // Whoever asks under a condition has a cache of his own (Fetch, HTTP-network-or-cache fetch, cache mode no-store).
    if (indexOfHeader(pairs, 'pragma') < 0) complete.push('pragma', 'no-cache')
    if (indexOfHeader(pairs, 'cache-control') < 0) complete.push('cache-control', 'no-cache')
  }
  return complete
}

const CONDITIONAL = ['if-modified-since', 'if-none-match', 'if-unmodified-since', 'if-match', 'if-range']
const NO_HEADERS: HeaderPairs = Object.freeze([])
const ALWAYS = ['accept', '*/*', 'accept-language', '*', 'sec-fetch-mode', 'cors', 'user-agent', 'node']
const DEFAULTS: HeaderPairs = Object.freeze([...ALWAYS, 'accept-encoding', 'gzip, deflate'])
const SECURE_DEFAULTS: HeaderPairs = Object.freeze([...ALWAYS, 'accept-encoding', 'br, gzip, deflate'])
