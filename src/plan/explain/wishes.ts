import type { TimeoutSettings } from '../../model/resources.ts'
import type { CallPolicy } from '../call-policy.ts'
import type { Asked } from './asked.ts'

/** The policy that such a call goes by: its service's, or its rule's, and in place of it what the call says of itself. */
export function withWishes(policy: CallPolicy, { settings, wishes, now }: Asked): CallPolicy {
  const { retries } = settings
  const written = timeoutsOf(policy.timeouts, settings.timeoutMs)
  const { timeoutMs, headTimeoutMs } = written
  // Nobody waits longer than the request beneath which it is made.
  const leftMs = Math.max(0, settings.notAfter - now)
  const cut = leftMs < (timeoutMs ?? headTimeoutMs)
  if (!cut && written === policy.timeouts && retries === undefined) return policy
  const by = cut ? wishes.deadline?.from : wishes.timeout?.from
  const { retrySettings, hedge } = policy
  return {
    ...policy,
    timeouts: cut ? timeoutsOf(written, leftMs, timeoutMs !== undefined) : written,
    retrySettings: retries === undefined ? retrySettings : { ...retrySettings, attempts: retries },
    hedge,
    from: (section) => (by !== undefined && BOUNDS.has(section) ? by : policy.from(section)),
  }
}

function timeoutsOf(timeouts: TimeoutSettings, boundMs: number | undefined, toEnd = true): TimeoutSettings {
  return boundMs === undefined ? timeouts : { ...timeouts, ...(toEnd ? { timeoutMs: boundMs } : {}), headTimeoutMs: boundMs }
}

const BOUNDS: ReadonlySet<string> = new Set(['timeouts.timeoutMs', 'timeouts.headTimeoutMs'])
