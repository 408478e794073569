import type { Affinity, Call } from '../core/call.ts'
import type { Random } from '../core/random.ts'
import type { HashRule } from '../model/balancing.ts'
import { cookieOf, setCookie } from './cookies.ts'
import type { XxHash64 } from './xxhash64.ts'

/**
 * What a call is hashed by: its own `hashKey`, else what the rules find in the request, combined as Envoy combines it; a random
 * number when they find nothing. Worked out once per call.
 */
export class HashPolicy {
  private readonly hash: XxHash64
  private readonly rules: readonly HashRule[]
  private readonly random: Random
  private readonly source: string

  /** @param source who calls, for rules that go by it */
  constructor(hash: XxHash64, rules: readonly HashRule[], random: Random, source: string) {
    this.hash = hash
    this.rules = rules
    this.random = random
    this.source = source
  }

  affinityOf(call: Call): Affinity {
    const known = call.affinity
    if (known !== undefined) return known
    const made = call.hashKey === undefined ? this.byRules(call) : this.byKey(call.hashKey)
    call.affinity = made
    return made
  }

  /** The same for somebody who only looks; undefined where a number, or a cookie, would have to be drawn. */
  foreseen(call: Call): Affinity | undefined {
    if (call.hashKey !== undefined) return this.byKey(call.hashKey)
    let found = false
    for (const rule of this.rules) {
      const { cookie, terminal } = rule
      if (cookie?.ttlMs !== undefined && cookieOf(call, cookie.name) === undefined) return undefined
      found = this.hashRule(rule, call) || found
      if (found && terminal) break
    }
    return found ? this.byRules(call) : undefined
  }

  private byKey(key: string): Affinity {
    this.hash.hash(key)
    return { hi: this.hash.hi, lo: this.hash.lo, random: false, cookies: NO_COOKIES }
  }

  private byRules(call: Call): Affinity {
    const { hash } = this
    let hi = 0
    let lo = 0
    let found = false
    let cookies = NO_COOKIES
    for (const rule of this.rules) {
      const { cookie } = rule
      if (cookie?.ttlMs !== undefined && cookieOf(call, cookie.name) === undefined) {
        const value = this.draw()
        cookies = [...cookies, setCookie(cookie, value)]
        hash.hash(value)
      } else if (!this.hashRule(rule, call)) {
        if (found && rule.terminal) break
        continue
      }
      // Turned by one bit, so that the same thing named twice does not cancel itself out.
      const turned = ((hi << 1) | (lo >>> 31)) >>> 0
      lo = (((lo << 1) | (hi >>> 31)) ^ hash.lo) >>> 0
      hi = (turned ^ hash.hi) >>> 0
      found = true
      if (rule.terminal) break
    }
    return found ? { hi, lo, random: false, cookies } : { hi: this.half(), lo: this.half(), random: true, cookies }
  }

  /** Whether the request has what the rule names; its hash then is the hasher's last. */
  private hashRule({ header, cookie, query, source }: HashRule, call: Call): boolean {
    if (header !== undefined) {
      const values = call.headerValues?.(header) ?? oneOrNone(call.header(header))
      if (values.length === 0) return false
      this.hash.hashAll(values.length === 1 ? values : [...values].sort())
      return true
    }
    const value = cookie !== undefined ? cookieOf(call, cookie.name) : query !== undefined ? queryOf(call.path, query) : undefined
    const text = source === true ? this.source : value
    if (text === undefined) return false
    this.hash.hash(text)
    return true
  }

  /** Sixteen hexadecimal digits. */
  private draw(): string {
    return this.half().toString(16).padStart(8, '0') + this.half().toString(16).padStart(8, '0')
  }

  private half(): number {
    return Math.floor(this.random() * 0x1_0000_0000)
  }
}

function oneOrNone(value: string | undefined): readonly string[] {
  return value === undefined ? [] : [value]
}

/** The value of a parameter as it stands in the path, the first when it is there twice. */
function queryOf(path: string, name: string): string | undefined {
  const begin = path.indexOf('?')
  if (begin < 0) return undefined
  const end = path.indexOf('#', begin)
  for (const pair of path.slice(begin + 1, end < 0 ? undefined : end).split('&')) {
    const equals = pair.indexOf('=')
    if ((equals < 0 ? pair : pair.slice(0, equals)) === name) return equals < 0 ? '' : pair.slice(equals + 1)
  }
  return undefined
}

const NO_COOKIES: readonly string[] = Object.freeze([])
