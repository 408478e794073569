import { IGNORED, type Outcome } from '../../core/outcome.ts'
import type { ExplainedRetry, Explanation } from '../../model/explanation.ts'
import type { Subject } from './subject.ts'

/** How a first try may fail, by the word that `retry.on` has for it, or the status. */
const FAILURES: readonly (readonly [after: string, outcome: Partial<Outcome>])[] = [
  ['connect-failure', { kind: 'connect', unsent: true }],
  ['refused-stream', { kind: 'reset', unsent: true }],
  ['reset', { kind: 'reset' }],
  ['timeout', { kind: 'timeout' }],
  ['503', { status: 503 }],
  ['500', { status: 500 }],
]

/** Whether such a call is sent again, after which failures, and why. The policy itself is asked, so it cannot say otherwise than it does. */
export function explainedRetry(subject: Subject): NonNullable<Explanation['retry']> {
  const { policy, call } = subject
  const { retrySettings: settings } = policy
  const { method } = subject.asked
  const because =
    settings.attempts === 0
      ? 'retries are switched off'
      : call.idempotent
        ? `${method} is idempotent: broken tries and unavailable answers are repeated`
        : `${method} without Idempotency-Key: only what was never sent is repeated`
  return { ...settings, applies: settings.attempts > 0, idempotent: call.idempotent, because, cases: casesOf(subject) }
}

function casesOf({ policy, call, plan, asked, gone }: Subject): ExplainedRetry[] {
  const tried = { ...call, tries: 1 }
  const context = {
    now: asked.now,
    attempts: policy.retrySettings.attempts,
    hasUntried: !gone && !plan.balancing.binds(call) && plan.set.all.length > 1,
    replayable: true,
  }
  return FAILURES.map(([after, change]) => {
    const outcome: Outcome = { ...IGNORED, verdict: 'failure', kind: undefined, unsent: false, ...change }
    const { again, because } = policy.retry.judge(tried, outcome, context)
    return { after, again, because }
  })
}
