import type { Random } from './random.ts'

/** The trace that a request belongs to (W3C Trace Context, level 1). */
export interface Trace {
  /** 32 hexadecimal digits in lower case. */
  readonly traceId: string
  /** The span that sent the request: 16 digits. Undefined for a trace that begins here. */
  readonly parentId: string | undefined
  readonly sampled: boolean
  /** As it came, checked and bounded; undefined without one. */
  readonly state: string | undefined
}

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/
const ZEROS = /^0+$/

/**
 * Reads `traceparent` and `tracestate`, each with all its values. Undefined when the parent is missing, there twice, or no valid one: then
 * the state says nothing either, and whoever wants a trace begins a new one (§3.2, §4.3).
 */
export function parseTrace(parents: readonly string[], states: readonly string[]): Trace | undefined {
  const [parent = ''] = parents
  if (parents.length !== 1) return undefined
  const found = FORM.exec(parent)
  if (found === null) return undefined
  const [, version, traceId = '', parentId = '', flags = ''] = found
  // Version 00 has nothing after the flags; a later one may, and is read as far as it is known (§3.2.4).
  if (version === 'ff' || (version === '00' && parent.length !== 55)) return undefined
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return undefined
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1, state: traceState(states) }
}

/** A trace that begins with this request. It is not sampled: nobody here records it. */
export function newTrace(random: Random): Trace {
  return { traceId: hex(random, 4), parentId: undefined, sampled: false, state: undefined }
}

/** The header for a request that is sent within `trace`, as a span of its own. Flags that this level does not know are not passed on. */
export function childTraceparent({ traceId, sampled }: Trace, random: Random): string {
  return `00-${traceId}-${hex(random, 2)}-${sampled ? '01' : '00'}`
}

/** `words` random numbers of 32 bits; never only zeros, which would be no id. */
function hex(random: Random, words: number): string {
  let digits = ''
  for (let word = 0; word < words; word++)
    digits += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return ZEROS.test(digits) ? `${digits.slice(1)}1` : digits
}

const SIMPLE_KEY = '[a-z][a-z0-9_\\-*/]{0,255}'
const TENANT_KEY = '[a-z0-9][a-z0-9_\\-*/]{0,240}@[a-z][a-z0-9_\\-*/]{0,13}'
const STATE_VALUE = '[\\x20-\\x2b\\x2d-\\x3c\\x3e-\\x7e]{0,255}[\\x21-\\x2b\\x2d-\\x3c\\x3e-\\x7e]'
const MEMBER = new RegExp(`^(${SIMPLE_KEY}|${TENANT_KEY})=(${STATE_VALUE})$`)
/** Members of a list, at most (§3.3.1.1). */
const MAX_MEMBERS = 32
/** What everybody must be able to pass on of it (§3.3.1.5). */
const MAX_STATE = 512
const LONG_MEMBER = 128

/** The list as one header; undefined when it is empty or not valid, for then it is dropped whole (§4.3). */
function traceState(values: readonly string[]): string | undefined {
  const members: string[] = []
  const keys = new Set<string>()
  for (const value of values) {
    for (const part of value.split(',')) {
      const member = part.replace(/^[\t ]+|[\t ]+$/g, '')
      if (member === '') continue
      const key = MEMBER.exec(member)?.[1]
      if (key === undefined || keys.has(key) || keys.size === MAX_MEMBERS) return undefined
      keys.add(key)
      members.push(member)
    }
  }
  return members.length === 0 ? undefined : shortened(members).join(',')
}

/** Where it is too long, the long members go first, then those at the end. */
function shortened(members: readonly string[]): readonly string[] {
  const length = (list: readonly string[]): number => list.reduce((sum, member) => sum + member.length + 1, -1)
  let kept = members
  if (length(kept) > MAX_STATE) kept = kept.filter((member) => member.length <= LONG_MEMBER)
  while (length(kept) > MAX_STATE) kept = kept.slice(0, -1)
  return kept
}
