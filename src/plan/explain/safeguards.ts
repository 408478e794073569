import type { Described } from '../../core/described.ts'
import type { ExplainedGate } from '../../model/explanation.ts'
import { explained } from './gates.ts'
import type { Subject } from './subject.ts'

/** What guards such calls beside the gates. One more is one more line; what is switched off has no entry. */
const SAFEGUARDS: readonly ((subject: Subject) => Described | undefined)[] = [
  ({ plan }) => (plan.policy.outlierDetection === false ? undefined : plan.outlier),
  ({ plan }) => (plan.policy.healthCheck === false ? undefined : plan.health),
  panic,
  ({ policy }) => policy.fallback,
]

export function explainedSafeguards(subject: Subject): ExplainedGate[] {
  return SAFEGUARDS.flatMap((of) => {
    const found = of(subject)
    return found === undefined ? [] : [explained(found, subject)]
  })
}

/** Panic has no object of its own: the set of endpoints is in it or not. */
function panic({ plan, part }: Subject): Described {
  const { panicPercent } = plan.policy
  const { all } = part.set
  const usable = all.filter(({ out }) => !out).length
  const state = part.set.panic ? 'in panic' : panicPercent === 0 ? 'off' : 'calm'
  const because = `${usable} of ${all.length} endpoints are usable; below ${panicPercent} % calls go to all of them`
  return { name: 'panic', section: 'panicPercent', describe: () => ({ state, because }) }
}
