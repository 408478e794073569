import * as v from 'valibot'
import type { CookieSettings, HashRule, LoadReportSettings, SessionSettings, SubsetSettings } from '../../model/balancing.ts'
import { DEFAULT_LOAD_REPORTS, DEFAULT_POLICY, DEFAULT_SLOW_START } from '../../model/defaults.ts'
import type { BalancingPolicy } from '../../model/names.ts'
import { checked, compact, duration, type Fields, integer, isPlainObject, listOf, oneOf, orOff, percent, record, text } from './blocks.ts'
import { headerName } from './protection.ts'

const POLICIES = [
  'round-robin',
  'weighted-round-robin',
  'random',
  'least-request',
  'peak-ewma',
  'ring-hash',
  'maglev',
] as const satisfies readonly BalancingPolicy[]

/** A number within bounds; NaN and infinities are none. */
function number(from: number, to: number): v.GenericSchema<unknown, number> {
  return checked(`a number from ${from} to ${to}`, (input) =>
    typeof input === 'number' && input >= from && input <= to ? input : undefined,
  )
}

const boolean = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

const slowStart = v.pipe(
  record({
    window: v.optional(duration(), DEFAULT_SLOW_START.windowMs),
    minWeightPercent: v.optional(percent(1), DEFAULT_SLOW_START.minWeightPercent),
    aggression: v.optional(number(0.1, 10), DEFAULT_SLOW_START.aggression),
  }),
  v.transform(({ window, minWeightPercent, aggression }) => Object.freeze({ windowMs: window, minWeightPercent, aggression })),
)

const peakEwma = v.pipe(
  record({ decay: v.optional(duration(), DEFAULT_POLICY.balancing.peakEwma.decayMs) }),
  v.transform(({ decay }) => Object.freeze({ decayMs: decay })),
)

/** Envoy's bounds of a ring and of a Maglev table. */
const MAX_RING = 8_388_608
const MAX_TABLE = 5_000_011

const ringHash = v.pipe(
  record(
    {
      minSize: v.optional(integer(1, MAX_RING), DEFAULT_POLICY.balancing.ringHash.minSize),
      maxSize: v.optional(integer(1, MAX_RING), DEFAULT_POLICY.balancing.ringHash.maxSize),
    },
    [],
    ({ minSize, maxSize }, report) => {
      if (minSize !== undefined && maxSize !== undefined && maxSize < minSize)
        report(['maxSize'], `expected at least ringHash.minSize (${minSize}), got ${maxSize}`)
    },
  ),
  v.transform((sizes) => Object.freeze(sizes)),
)

const maglev = v.pipe(
  record({
    tableSize: v.optional(
      checked(`a prime from 2 to ${MAX_TABLE}`, (input) => (isPrime(input) ? (input as number) : undefined)),
      DEFAULT_POLICY.balancing.maglev.tableSize,
    ),
  }),
  v.transform((table) => Object.freeze(table)),
)

function isPrime(input: unknown): boolean {
  if (!Number.isInteger(input) || (input as number) < 2 || (input as number) > MAX_TABLE) return false
  for (let factor = 2; factor * factor <= (input as number); factor++) if ((input as number) % factor === 0) return false
  return true
}

const cookie: v.GenericSchema<unknown, CookieSettings> = v.pipe(
  record({
    name: checked('the name of a cookie', (input) =>
      typeof input === 'string' && /^[!#$%&'*+\-.^_`|~0-9a-z]{1,256}$/i.test(input) ? input : undefined,
    ),
    ttl: v.optional(duration({ zero: true })),
    path: v.optional(
      checked("a path that begins with '/'", (input) =>
        typeof input === 'string' && /^\/[\x21-\x3a\x3c-\x7e]{0,1023}$/.test(input) ? input : undefined,
      ),
    ),
  }),
  v.transform(({ name, ttl, path }) => Object.freeze(compact({ name, ttlMs: ttl, path })) as CookieSettings),
)

/** A schema for objects in which exactly one of `keys` is written. */
function exactlyOne<Output>(keys: readonly string[], schema: v.GenericSchema<unknown, Output>): v.GenericSchema<unknown, Output> {
  return v.lazy((input) => {
    if (!isPlainObject(input)) return schema
    const there = keys.filter((key) => input[key] !== undefined)
    if (there.length === 1) return schema
    return checked<Output>(
      `exactly one of ${keys.join(', ')}`,
      () => undefined,
      () => there.join(', ') || 'none',
    )
  })
}

const hashEntries = {
  header: v.optional(headerName),
  cookie: v.optional(cookie),
  query: v.optional(text(256)),
  source: v.optional(checked('true', (input) => (input === true ? (true as const) : undefined))),
  terminal: v.optional(boolean),
}

const hashRule: v.GenericSchema<unknown, HashRule> = v.pipe(
  exactlyOne(['header', 'cookie', 'query', 'source'], record(hashEntries)),
  v.transform(
    ({ terminal = false, ...what }: Fields<typeof hashEntries>) => Object.freeze({ ...compact(what), terminal }) as unknown as HashRule,
  ),
)

const loadReportEntries = {
  blackout: v.optional(duration({ zero: true })),
  expiry: v.optional(duration()),
  update: v.optional(duration()),
  errorPenalty: v.optional(number(0, 1_000)),
  metrics: v.optional(
    listOf(
      'metrics',
      checked('a metric such as named_metrics.queue', (input) =>
        typeof input === 'string' && input.length <= 256 && METRIC.test(input) ? input : undefined,
      ),
    ),
  ),
}

const METRIC = /^(?:(?:named_metrics|utilization)\..+|(?:application|cpu|mem)_utilization)$/

const loadReports: v.GenericSchema<unknown, LoadReportSettings | false> = v.lazy((input) => {
  if (input === false) return v.literal(false)
  if (input === true)
    return v.pipe(
      v.literal(true),
      v.transform(() => DEFAULT_LOAD_REPORTS),
    )
  return v.pipe(
    record(loadReportEntries, [], ({ update }, report) => {
      if (update !== undefined && update < 100) report(['update'], `expected at least 100ms, got ${update}ms`)
    }),
    v.transform(({ blackout, expiry, update, ...rest }) =>
      Object.freeze({
        ...DEFAULT_LOAD_REPORTS,
        ...compact({ ...rest, blackoutMs: blackout, expiryMs: expiry, updateMs: update }),
      }),
    ),
  )
}) as v.GenericSchema<unknown, LoadReportSettings | false>

const sessionEntries = { cookie: v.optional(cookie), header: v.optional(headerName), strict: v.optional(boolean) }

const session: v.GenericSchema<unknown, SessionSettings> = v.pipe(
  exactlyOne(['cookie', 'header'], record(sessionEntries)),
  v.transform(
    ({ strict = false, ...carrier }: Fields<typeof sessionEntries>) =>
      Object.freeze({ ...compact(carrier), strict }) as unknown as SessionSettings,
  ),
)

/** How endpoints are chosen; what was not written stays absent. */
export const balancing = record({
  policy: v.optional(oneOf(POLICIES)),
  slowStart: v.optional(orOff(slowStart)),
  peakEwma: v.optional(peakEwma),
  hashOn: v.optional(listOf('things to hash', hashRule)),
  ringHash: v.optional(ringHash),
  maglev: v.optional(maglev),
  boundedLoad: v.optional(orOff(number(1, 100))),
  loadReports: v.optional(loadReports),
  session: v.optional(orOff(session)),
})

const size = v.pipe(
  record({ size: integer(1, 1_000_000) }, [], ({ size }, report, given) => {
    if (size === undefined && Object.values(given).some((value) => typeof value === 'object'))
      report([], 'says how many endpoints are used; those with a name stand under subsets')
  }),
  v.transform((written) => Object.freeze(written)),
)

/** How many endpoints of a service one process uses. */
export const subset: v.GenericSchema<unknown, SubsetSettings> = v.lazy((input) =>
  typeof input === 'string' ? oneOf(['all', 'auto']) : size,
) as v.GenericSchema<unknown, SubsetSettings>
