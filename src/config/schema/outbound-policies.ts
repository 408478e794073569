import * as v from 'valibot'
import { canonicalPath } from '../../core/canonical-path.ts'
import type { PolicyAction } from '../../model/protection.ts'
import type { OutboundRule } from '../../model/resources.ts'
import { checked, listOf, oneOf, type Report, record, text } from './blocks.ts'
import { namedOnce, rate, ruleName } from './protection.ts'

/** One rule of `policies`, checked. */
export interface ParsedOutboundPolicy {
  readonly name: string
  readonly rule: OutboundRule
}

const ACTIONS = ['continue', 'allow', 'deny', 'redirect', 'limit'] as const satisfies readonly PolicyAction[]

/** A method, in upper case. */
export const method = checked('a method such as GET', (input) =>
  typeof input === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/.test(input) ? input.toUpperCase() : undefined,
)

/** A path as it is compared with those of requests. */
export const pathPrefix = checked('a path that begins with /', (input) =>
  typeof input === 'string' && input.startsWith('/') && input.length <= 2_048 && !/[?#]/.test(input) ? canonicalPath(input) : undefined,
)

/** A list of nothing would match nothing, which nobody means. */
export function some<T>(what: string, each: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T[]> {
  return v.pipe(
    listOf(what, each),
    v.check((list) => list.length > 0, 'expected at least one'),
  )
}

const policy = v.pipe(
  record(
    {
      name: ruleName,
      source: v.optional(record({ service: v.optional(text(253)), namespace: v.optional(text(63)) }, ['principal']), {}),
      target: v.optional(
        record({
          service: v.optional(text(253)),
          namespace: v.optional(text(63)),
          methods: v.optional(some('methods', method)),
          paths: v.optional(some('path prefixes', pathPrefix)),
        }),
        {},
      ),
      action: oneOf(ACTIONS),
      redirectTo: v.optional(text(253)),
      limit: v.optional(rate),
    },
    [],
    across,
  ),
  v.transform(({ name, ...rule }): ParsedOutboundPolicy => ({ name, rule: Object.freeze(rule) as OutboundRule })),
)

function across({ action, redirectTo, limit }: { action?: PolicyAction; redirectTo?: unknown; limit?: unknown }, report: Report): void {
  if (action === undefined) return
  for (const [key, value, of] of [
    ['redirectTo', redirectTo, 'redirect'],
    ['limit', limit, 'limit'],
  ] as const) {
    if (action === of && value === undefined) report([key], `expected with action ${of}`)
    if (action !== of && value !== undefined) report([key], `goes with action ${of}, not with ${action}`)
  }
}

/** `policies: [ … ]` on the top level; each name once. */
export const outboundPolicies = listOf('policies', policy as v.GenericSchema<unknown, ParsedOutboundPolicy>, namedOnce)
