import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import * as v from 'valibot'
import type { RetryCondition } from '../../model/names.ts'
import type { PolicySections, TlsSettings } from '../../model/resources.ts'
import { SecretValue } from '../secret.ts'
import { checked, duration, integer, oneOf, percent, record, text } from './blocks.ts'

const CONDITIONS = [
  '5xx',
  'gateway-error',
  'reset',
  'connect-failure',
  'refused-stream',
  'timeout',
] as const satisfies readonly RetryCondition[]

/** `false` switches a section off. */
function orOff<Output>(section: v.GenericSchema<unknown, Output>): v.GenericSchema<unknown, Output | false> {
  return v.lazy((input) => (input === false ? v.literal(false) : section)) as v.GenericSchema<unknown, Output | false>
}

const balancing = record({
  policy: v.optional(oneOf(['round-robin', 'random', 'least-request'], ['peak-ewma', 'weighted-round-robin', 'ring-hash', 'maglev'])),
})

const retry = v.pipe(
  record({
    attempts: v.optional(integer(0, 10)),
    on: v.optional(v.array(oneOf(CONDITIONS), 'expected a list of conditions')),
    perTryTimeout: v.optional(duration()),
    backoff: v.optional(record({ base: v.optional(duration()), max: v.optional(duration()) })),
    budget: v.optional(record({ percent: v.optional(percent()), minPerSecond: v.optional(integer(0, 1_000_000)) })),
  }),
  v.forward(
    v.check(
      ({ backoff }) => backoff?.base === undefined || backoff.max === undefined || backoff.max >= backoff.base,
      'expected at least backoff.base',
    ),
    ['backoff', 'max'] as never,
  ),
  v.transform(({ attempts, on, perTryTimeout, backoff, budget }) =>
    compact({
      attempts,
      on,
      perTryTimeoutMs: perTryTimeout,
      backoffBaseMs: backoff?.base,
      backoffMaxMs: backoff?.max,
      budgetPercent: budget?.percent,
      budgetMinPerSecond: budget?.minPerSecond,
    }),
  ),
)

const circuitBreaker = v.pipe(
  record({
    failurePercent: v.optional(percent(1)),
    window: v.optional(duration()),
    minRequests: v.optional(integer(1, 1_000_000_000)),
    openFor: v.optional(duration()),
  }),
  v.transform(({ failurePercent, window, minRequests, openFor }) =>
    compact({ failurePercent, windowMs: window, minRequests, openForMs: openFor }),
  ),
)

const outlierDetection = v.pipe(
  record(
    {
      consecutiveFailures: v.optional(integer(1, 1_000_000)),
      ejectFor: v.optional(duration()),
      maxEjectFor: v.optional(duration()),
      maxEjectedPercent: v.optional(percent()),
      interval: v.optional(duration()),
    },
    ['failurePercent', 'latency', 'compare'],
  ),
  v.forward(
    v.check(
      ({ ejectFor, maxEjectFor }) => ejectFor === undefined || maxEjectFor === undefined || maxEjectFor >= ejectFor,
      'expected at least ejectFor',
    ),
    ['maxEjectFor'] as never,
  ),
  v.transform(({ consecutiveFailures, ejectFor, maxEjectFor, maxEjectedPercent, interval }) =>
    compact({ consecutiveFailures, ejectForMs: ejectFor, maxEjectForMs: maxEjectFor, maxEjectedPercent, intervalMs: interval }),
  ),
)

/** PEM or DER, one or several; copied, so that whoever changes his buffer later changes nothing here. */
const pem = checked('PEM text or bytes, or a list of them', (input) => {
  const parts = Array.isArray(input) ? (input as unknown[]) : [input]
  const usable =
    parts.length > 0 && parts.every((part) => (typeof part === 'string' && part !== '') || (part instanceof Uint8Array && part.length > 0))
  return usable ? (parts as (string | Uint8Array)[]).map((part) => (typeof part === 'string' ? part : Buffer.from(part))) : undefined
})

const certificates = v.pipe(
  pem,
  v.check(
    (parts) => parts.every((part) => attempt(() => new X509Certificate(part as string | Buffer))),
    'no certificate can be read from it',
  ),
)

const privateKey = v.pipe(
  pem,
  v.check(
    (parts) => parts.length === 1 && attempt(() => createPrivateKey(parts[0] as string | Buffer)),
    'no private key can be read from it',
  ),
  v.transform((parts) => new SecretValue(parts[0] as string | Uint8Array)),
)

const tls = v.pipe(
  record(
    {
      mode: v.optional(oneOf(['off', 'simple'], ['mutual']), 'simple'),
      ca: v.optional(certificates),
      cert: v.optional(certificates),
      key: v.optional(privateKey),
      serverName: v.optional(text(253)),
      minVersion: v.optional(oneOf(['TLSv1.2', 'TLSv1.3']), 'TLSv1.2'),
    },
    ['sans'],
  ),
  v.check(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key go together'),
  v.check(
    ({ cert, key }) =>
      cert === undefined ||
      key === undefined ||
      attempt(() => createSecureContext({ cert: cert as Buffer[], key: key.reveal() as Buffer })),
    'key is not the key of cert',
  ),
  v.transform(({ mode, ca, cert, key, serverName, minVersion }): TlsSettings => ({ mode, ca, cert, key, serverName, minVersion })),
)

/** What a later version adds to a policy. */
export const LATER_POLICY_KEYS = ['hedge', 'limits', 'healthCheck', 'fault', 'fallback', 'maxDuration', 'subset'] as const

export const policyEntries = {
  balancing: v.optional(balancing),
  timeout: v.optional(duration()),
  connectTimeout: v.optional(duration()),
  idleTimeout: v.optional(duration()),
  retry: v.optional(orOff(retry)),
  circuitBreaker: v.optional(orOff(circuitBreaker)),
  outlierDetection: v.optional(orOff(outlierDetection)),
  panicPercent: v.optional(percent()),
  tls: v.optional(tls),
}

/** The policy keys of a service or of `defaults`, checked. */
export type ParsedPolicy = { [Key in keyof typeof policyEntries]?: v.InferOutput<(typeof policyEntries)[Key]> }

/** Groups what was written into sections; what was not written stays absent. */
export function toSections(parsed: ParsedPolicy): PolicySections {
  const { timeout, connectTimeout, idleTimeout } = parsed
  const timeouts = compact({ timeoutMs: timeout, headTimeoutMs: timeout, connectTimeoutMs: connectTimeout, idleTimeoutMs: idleTimeout })
  return compact({
    balancing: parsed.balancing === undefined ? undefined : compact(parsed.balancing),
    timeouts: Object.keys(timeouts).length === 0 ? undefined : timeouts,
    // No re-sends, and the rest of the section as it would be.
    retry: parsed.retry === false ? { attempts: 0 } : parsed.retry,
    circuitBreaker: parsed.circuitBreaker,
    outlierDetection: parsed.outlierDetection,
    panicPercent: parsed.panicPercent,
    tls: parsed.tls,
  }) as PolicySections
}

type Compact<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without the keys whose value is undefined. */
export function compact<T extends object>(object: T): Compact<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Compact<T>
}

function attempt(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}
