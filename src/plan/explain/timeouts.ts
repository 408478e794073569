import type { ExplainedTimeouts } from '../../model/explanation.ts'
import type { TimeoutSettings } from '../../model/resources.ts'
import type { Subject } from './subject.ts'

/** The timeouts of such a call, what a first try gets of them, and who set each. */
export function explainedTimeouts({ policy, call, from }: Subject): ExplainedTimeouts {
  const { timeouts, retry, retrySettings } = policy
  const perTryTimeoutMs = retry.tryTimeoutMs(call.deadline - call.startedAt, call.idempotent, retrySettings.attempts)
  const by = (field: keyof TimeoutSettings): string => policy.from(`timeouts.${field}`) ?? from('timeouts')
  return {
    ...timeouts,
    perTryTimeoutMs: Math.round(perTryTimeoutMs * 10) / 10,
    from: {
      timeoutMs: by('timeoutMs'),
      headTimeoutMs: by('headTimeoutMs'),
      connectTimeoutMs: by('connectTimeoutMs'),
      idleTimeoutMs: by('idleTimeoutMs'),
      // What nobody wrote is what remains, shared among the tries; what is more than that is cut down to it.
      perTryTimeoutMs: perTryTimeoutMs === retrySettings.perTryTimeoutMs ? from('retry') : by('headTimeoutMs'),
    },
  }
}
