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
  const { idempotent } = call
  return { ...settings, applies: settings.attempts > 0, idempotent, because: because(subject), cases: casesOf(subject) }
}

function because({ policy, call, asked: { method, wishes } }: Subject): string {
  if (policy.retrySettings.attempts === 0)
    return wishes.retries === undefined ? 'retries are switched off' : `retries are switched off (${wishes.retries.from})`
  const { idempotent: said } = wishes
  if (call.idempotent) {
    const why = said === undefined ? `${method} is idempotent` : `it is said to be idempotent (${said.from})`
    return `${why}: broken tries and unavailable answers are repeated`
  }
  const why = said === undefined ? `${method} without Idempotency-Key` : `it is said not to be idempotent (${said.from})`
  return `${why}: only what was never sent is repeated`
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
