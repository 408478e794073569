import type { Call } from '../../core/call.ts'
import type { CallSettings } from '../../model/call-settings.ts'
import type { ExplainedWishes } from '../../model/explanation.ts'
import { isIdempotentMethod } from '../../resilience/retry.ts'

/** The request that is to be explained. */
export interface Asked {
  /** Authority, as the URL has it. */
  readonly host: string
  /** Upper case. */
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly secure: boolean
  /** The host that a rule wrote instead of the URL's. */
  readonly urlHost?: string | undefined
  /** What the call itself, or the rule, gives to hash by. */
  readonly hashKey?: string | undefined
  /** Clock time at which it is asked. */
  readonly now: number
  /** Calls say in their headers how long they may take. */
  readonly tells: boolean
  /** What the call says of itself, and what holds around it. */
  readonly settings: CallSettings
  /** The same for people: what of it was said, and by whom. */
  readonly wishes: ExplainedWishes
}

/** The value of a header of `headers`, whatever the case of its name. */
export function headerIn(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1]
}

/** Such a call as gates, balancers and retry policies would see it: it begins now, and nothing of it was sent. */
export function callOf(service: string, asked: Asked, withinMs: number): Call {
  const { host, method, path, headers, now, hashKey, settings } = asked
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    service,
    method,
    host,
    path,
    idempotent: settings.idempotent ?? (isIdempotentMethod(method) || byName.has('idempotency-key')),
    priority: settings.priority,
    hashKey,
    startedAt: now,
    deadline: Math.min(now + withinMs, settings.notAfter),
    tries: 0,
    moves: 0,
    header: (name) => byName.get(name),
    hasTried: () => false,
  }
}
