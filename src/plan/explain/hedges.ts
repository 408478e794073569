import type { Call } from '../../core/call.ts'
import { formatDuration } from '../../core/duration.ts'
import type { ExplainedHedge } from '../../model/explanation.ts'
import type { HedgeSettings } from '../../model/hedge.ts'
import type { Asked } from './asked.ts'
import type { Subject } from './subject.ts'

/** Whether and when another endpoint would be asked too; nothing where hedging is off. */
export function explainedHedge({ policy, asked, call }: Subject): { hedge?: ExplainedHedge } {
  const { hedge } = policy
  if (hedge === undefined) return {}
  const { settings } = hedge
  const delayMs = hedge.delayMs(asked.now)
  const once = sentOnce(asked, call)
  return { hedge: { ...settings, delayMs, applies: once === undefined, because: once ?? because(settings, delayMs) } }
}

/** Why such a call is never asked twice at once. */
function sentOnce({ method, wishes }: Asked, { idempotent }: Call): string | undefined {
  const { retries, idempotent: said } = wishes
  if (retries?.value === 0) return `it is sent once: retries 0 (${retries.from})`
  if (idempotent) return undefined
  return said === undefined ? `${method} without Idempotency-Key is sent once` : `what is not idempotent is sent once (${said.from})`
}

function because({ after, extraLoadPercent }: HedgeSettings, delayMs: number | undefined): string {
  if (after === false) return 'only when the time of a try is over'
  if (delayMs === undefined) return `too few first tries of late to know their ${after}`
  return `a try is waited for ${formatDuration(delayMs)}; hedges are at most ${extraLoadPercent} % of the first tries`
}
