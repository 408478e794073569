import * as v from 'valibot'
import { addressGroup } from '../../core/address-group.ts'
import {
  DEFAULT_RATE_LIMIT_HEADERS,
  DEFAULT_SHEDDING,
  type DescriptorSettings,
  type InboundRateLimitSettings,
  type LimitDescriptor,
  type RateLimitHeaderSettings,
  type SheddingSettings,
} from '../../model/inbound-limits.ts'
import { checked, compact, duration, integer, isPlainObject, listOf, mapOf, oneOf, percent, type Report, record } from './blocks.ts'
import { method, pathPrefix, some } from './outbound-policies.ts'
import { headerName, namedOnce, rateEntries, toRate } from './protection.ts'

const flag = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

/** It stands between quotes in `RateLimit` (RFC 9651 §3.3.3). */
const limitName = checked('1 to 100 printable ASCII characters', (input) =>
  typeof input === 'string' && /^[\x20-\x7e]{1,100}$/.test(input) ? input : undefined,
)

const host = checked('a host such as shop.example.com or *.example.com', (input) =>
  typeof input === 'string' && /^(?:\*\.)?[a-z0-9_.:[\]-]{1,253}$/i.test(input) ? input.toLowerCase().replace(/\.$/, '') : undefined,
)

const principal = checked('an identity, or with * at the end what it begins with', (input) =>
  typeof input === 'string' && /^[^*]{0,2048}\*?$/.test(input) && input.length > 0 ? input : undefined,
)

const match = record({
  paths: v.optional(some('path prefixes', pathPrefix)),
  methods: v.optional(some('methods', method)),
  hosts: v.optional(some('hosts', host)),
  principals: v.optional(some('principals', principal)),
})

const KINDS = ['route', 'path', 'method', 'principal', 'request-principal', 'address'] as const satisfies readonly LimitDescriptor[]

const cookieName = checked('the name of a cookie', (input) =>
  typeof input === 'string' && /^[!#$%&'*+\-.^_`|~0-9a-z]{1,256}$/i.test(input) ? input : undefined,
)

const ofHeader = v.pipe(
  record({ header: headerName }),
  v.transform(({ header }): DescriptorSettings => ({ kind: 'header', label: header, name: header })),
)

const ofCookie = v.pipe(
  record({ cookie: cookieName }),
  v.transform(({ cookie }): DescriptorSettings => ({ kind: 'cookie', label: `cookie:${cookie}`, name: cookie })),
)

const plainKind = v.pipe(
  oneOf(KINDS),
  v.transform((kind): DescriptorSettings => ({ kind, label: kind, name: '' })),
)

const descriptor = v.lazy((input) => {
  if (!isPlainObject(input)) return plainKind
  return Object.hasOwn(input, 'cookie') ? ofCookie : ofHeader
}) as v.GenericSchema<unknown, DescriptorSettings>

const by = listOf('descriptors', descriptor, (written, report) => {
  const seen = new Set<string>()
  for (const [index, { label }] of written) {
    if (seen.has(label)) report([index], `${label} is there twice`)
    seen.add(label)
  }
  if (written.size > 8) report([], 'expected at most 8')
})

const valueText = checked('text of at most 2,048 characters', (input) =>
  typeof input === 'string' && input.length <= 2_048 ? input : undefined,
)

const override = v.pipe(
  record({ ...rateEntries, values: mapOf(valueText, valueText) }, [], ({ values }, report) => {
    if (values?.size === 0) report(['values'], 'expected at least one')
  }),
  v.transform(({ values, ...rate }) => ({
    ...toRate(rate),
    values: new Map([...values].map(([label, value]) => [label, label === 'address' ? addressGroup(value) : value])),
  })),
)

interface Written {
  readonly match?: { readonly paths?: unknown }
  readonly by?: readonly DescriptorSettings[]
  readonly overrides?: InboundRateLimitSettings['overrides']
}

/** What the parts of one limit say of each other. */
function acrossLimit(written: Written, report: Report): void {
  const labels = (written.by ?? []).map(({ label }) => label)
  if (labels.includes('route') && written.match !== undefined && written.match.paths === undefined)
    report(['by'], 'route is the one of match.paths that a request lies below, and there are none')
  const seen = new Set<string>()
  for (const [index, { values }] of (written.overrides ?? []).entries()) {
    for (const label of values.keys())
      if (!labels.includes(label)) report(['overrides', index, 'values', label], `expected one of by: ${labels.join(', ') || 'nothing'}`)
    const same = JSON.stringify([...values].sort())
    if (seen.has(same)) report(['overrides', index, 'values'], 'the same values are there before')
    seen.add(same)
  }
}

const limit: v.GenericSchema<unknown, InboundRateLimitSettings> = v.pipe(
  record(
    {
      ...rateEntries,
      name: limitName,
      match: v.optional(match, {}),
      by: v.optional(by, []),
      algorithm: v.optional(oneOf(['token-bucket', 'gcra']), 'token-bucket'),
      dryRun: v.optional(flag, false),
      overrides: v.optional(listOf('overrides', override), []),
    },
    [],
    (written, report) => acrossLimit(written as Written, report),
  ),
  v.transform(
    ({ requests, per, burst, ...rest }) => ({ ...toRate({ requests, per, burst }), ...rest }) as unknown as InboundRateLimitSettings,
  ),
)

/** `inbound.rateLimits`; each is looked at for every request, so there are at most a hundred. */
export const rateLimits: v.GenericSchema<unknown, InboundRateLimitSettings[]> = v.pipe(
  listOf('rate limits', limit, namedOnce),
  v.check((list) => list.length <= 100, 'expected at most 100'),
)

/** `inbound.rateLimitHeaders`. */
export const rateLimitHeaders: v.GenericSchema<unknown, RateLimitHeaderSettings> = v.pipe(
  record({ refusals: v.optional(flag), answers: v.optional(flag), legacy: v.optional(flag) }),
  v.transform((written) => ({ ...DEFAULT_RATE_LIMIT_HEADERS, ...written }) as RateLimitHeaderSettings),
)

const sheddingSection: v.GenericSchema<unknown, SheddingSettings> = v.pipe(
  record({
    maxLoopDelay: v.optional(duration()),
    maxUtilisationPercent: v.optional(percent(50)),
    maxInflight: v.optional(integer(1, 1_000_000_000)),
    priorityHeader: v.optional(headerName),
    exemptPaths: v.optional(listOf('paths', pathPrefix)),
    retryAfter: v.optional(duration()),
    closeConnections: v.optional(flag),
  }),
  v.transform(({ maxLoopDelay: maxLoopDelayMs, retryAfter: retryAfterMs, ...rest }) => ({
    ...DEFAULT_SHEDDING,
    ...compact({ maxLoopDelayMs, retryAfterMs }),
    ...rest,
  })),
) as v.GenericSchema<unknown, SheddingSettings>

/** `inbound.shedding`: `true` for the defaults, `false` for none. */
export const shedding = v.lazy((input) =>
  typeof input === 'boolean' ? checked('a boolean', () => (input ? DEFAULT_SHEDDING : false)) : sheddingSection,
) as v.GenericSchema<unknown, SheddingSettings | false>
