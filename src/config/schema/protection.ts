import * as v from 'valibot'
import { ERRORS, type MeshErrorCode } from '../../core/errors.ts'
import type { FallbackCondition, FallbackFunction } from '../../model/protection.ts'
import type {
  AnswerSettings,
  FallbackSettings,
  FaultSettings,
  LimitSettings,
  RateLimitSettings,
  RateSettings,
} from '../../model/resources.ts'
import { checked, duration, integer, listOf, mapOf, oneOf, percent, printType, type Report, record, text } from './blocks.ts'

const count = integer(1, 1_000_000_000)
const countOrNone = integer(0, 1_000_000_000)

/** `limits` of a service. */
export const limits: v.GenericSchema<unknown, LimitSettings> = v.pipe(
  record({
    maxConnections: v.optional(count),
    maxPending: v.optional(countOrNone),
    maxRequests: v.optional(countOrNone),
    maxRetries: v.optional(countOrNone),
    perEndpoint: v.optional(record({ maxConnections: v.optional(count), maxRequests: v.optional(count) })),
  }),
  v.transform((written) => written as LimitSettings),
)

/** The fields of a rate. */
export const rateEntries = { requests: count, per: v.optional(duration()), burst: v.optional(count) }

/** A rate as it was written, in milliseconds. */
export function toRate({ requests, per, burst }: { requests: number; per?: number | undefined; burst?: number | undefined }): RateSettings {
  return { requests, ...(per === undefined ? {} : { perMs: per }), ...(burst === undefined ? {} : { burst }) }
}

/** How many in a time. */
export const rate: v.GenericSchema<unknown, RateSettings> = v.pipe(record(rateEntries), v.transform(toRate))

/** The name of a header, in lower case. */
export const headerName = checked('the name of a header', (input) =>
  typeof input === 'string' && /^[!#$%&'*+\-.^_`|~0-9a-z]{1,256}$/i.test(input) ? input.toLowerCase() : undefined,
)

/** `rateLimit` of a service. */
export const rateLimit: v.GenericSchema<unknown, RateLimitSettings> = v.pipe(
  record({ ...rateEntries, key: v.optional(headerName) }),
  v.transform((written) => ({ ...toRate(written), ...(written.key === undefined ? {} : { key: written.key }) })),
)

/** What may stand in a header: no line may end in it. */
export const headerValue = checked(
  'the value of a header, one line of Latin-1',
  (input) => (typeof input === 'string' && /^[\t\x20-\x7e\x80-\xff]{0,8192}$/.test(input) ? input : undefined),
  printType,
)

const condition = v.optional(record({ name: headerName, value: v.optional(headerValue) }))
const status = integer(200, 599)
const code = oneOf(Object.keys(ERRORS) as MeshErrorCode[])

const fields = record({
  delay: v.optional(record({ duration: duration(), percent: v.optional(percent(), 100), header: condition })),
  abort: v.optional(
    record(
      { status: v.optional(status), code: v.optional(code), percent: v.optional(percent(), 100), header: condition },
      [],
      (written, report) => {
        if ((written.status === undefined) === (written.code === undefined)) report([], 'expected either status or code')
      },
    ),
  ),
})

/** `fault` of a service. */
export const fault: v.GenericSchema<unknown, FaultSettings> = v.pipe(
  fields,
  v.transform(({ delay, abort }) => {
    const { duration: durationMs, ...rest } = delay ?? { duration: 0 }
    return {
      ...(delay === undefined ? {} : { delay: { durationMs, ...rest } }),
      ...(abort === undefined ? {} : { abort }),
    } as FaultSettings
  }),
)

const bytes = checked('text or bytes', (input) =>
  typeof input === 'string' ? input : input instanceof Uint8Array ? Buffer.from(input) : undefined,
)

export const answer: v.GenericSchema<unknown, AnswerSettings> = v.pipe(
  record({ status: v.optional(status, 200), headers: v.optional(mapOf(headerName, headerValue)), body: v.optional(bytes, '') }),
  v.transform(({ headers, ...rest }) => Object.freeze({ ...rest, headers: Object.freeze(Object.fromEntries(headers ?? [])) })),
)

const respond = v.lazy((input) =>
  typeof input === 'function' ? checked('a function', (given) => given as FallbackFunction) : answer,
) as v.GenericSchema<unknown, AnswerSettings | FallbackFunction>

/** `fallback` of a service. */
export const fallback: v.GenericSchema<unknown, FallbackSettings> = v.pipe(
  record({
    on: v.optional(listOf('codes', oneOf<FallbackCondition>([...(Object.keys(ERRORS) as MeshErrorCode[]), '5xx', 'gateway-error']))),
    respond,
  }),
  v.transform((written) => written as FallbackSettings),
)

/** Whether `answer` is one that the mesh can give; for those that a fallback's function makes while calls run. */
export function readAnswer(given: unknown): AnswerSettings | undefined {
  const parsed = v.safeParse(answer, given)
  return parsed.success ? parsed.output : undefined
}

/** Tells names that are there twice in a list of named things. */
export function namedOnce(written: ReadonlyMap<number, { readonly name: string }>, report: Report): void {
  const seen = new Map<string, number>()
  for (const [index, { name }] of written) {
    const first = seen.get(name)
    if (first === undefined) seen.set(name, index)
    else report([index, 'name'], `${name} is already the name of number ${first}`)
  }
}

/** A name that appears in errors and `explain`. */
export const ruleName = text(253)
