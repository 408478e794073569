import type { Call } from '../../core/call.ts'
import type { Described } from '../../core/described.ts'
import type { ExplainedGate } from '../../model/explanation.ts'
import type { Subject } from './subject.ts'

/** Everything that may hold such a call up, in the order in which it meets it. What describes itself needs no more than to be among them. */
export function explainedGates(subject: Subject): ExplainedGate[] {
  const { plan, policy } = subject
  const { fault } = policy
  const steps: readonly Described[] = [
    ...plan.gates,
    ...(fault === undefined ? [] : [fault]),
    ...plan.protections.steps,
    ...(policy.retrySettings.attempts === 0 ? [] : [plan.budget]),
  ]
  return steps.map((step) => explained(step, subject))
}

/** One of them, as it describes itself. Gates of the options are somebody else's code: what they throw is what they say. */
export function explained(step: Described, { call, from }: Pick<Subject, 'call' | 'from'>): ExplainedGate {
  const { name, section } = step
  const source = section === undefined ? `options/gates/${name}` : from(section)
  const { state, because, admits, from: own } = told(step, call)
  return { name, state, because, ...(admits === undefined ? {} : { admits }), from: own ?? source }
}

function told(step: Described, call: Call): ReturnType<NonNullable<Described['describe']>> {
  try {
    const said = step.describe?.(call)
    if (typeof said?.state === 'string') return said
  } catch (error) {
    return { state: 'asked', because: `it could not describe itself: ${error instanceof Error ? error.message : String(error)}` }
  }
  return { state: 'asked', because: 'what it decides it only says to calls' }
}
