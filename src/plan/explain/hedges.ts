import { formatDuration } from '../../core/duration.ts'
import type { ExplainedHedge } from '../../model/explanation.ts'
import type { HedgeSettings } from '../../model/hedge.ts'
import type { Subject } from './subject.ts'

/** Whether and when another endpoint would be asked too; nothing where hedging is off. */
export function explainedHedge({ policy, asked, call }: Subject): { hedge?: ExplainedHedge } {
  const { hedge } = policy
  if (hedge === undefined) return {}
  const { settings } = hedge
  const delayMs = hedge.delayMs(asked.now)
  return { hedge: { ...settings, delayMs, applies: call.idempotent, because: because(settings, delayMs, asked.method, call.idempotent) } }
}

function because({ after, extraLoadPercent }: HedgeSettings, delayMs: number | undefined, method: string, idempotent: boolean): string {
  if (!idempotent) return `${method} without Idempotency-Key is sent once`
  if (after === false) return 'only when the time of a try is over'
  if (delayMs === undefined) return `too few first tries of late to know their ${after}`
  return `a try is waited for ${formatDuration(delayMs)}; hedges are at most ${extraLoadPercent} % of the first tries`
}
