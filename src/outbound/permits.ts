import type { Call } from '../core/call.ts'
import type { Gate, Permit, Refusal } from '../core/gate.ts'
import type { Outcome } from '../core/outcome.ts'

type Report = (what: string, error: unknown) => void

/** A call that keeps what its gates gave. */
export interface AdmittedByGates extends Call {
  /** Undefined until one gave something; without an array around it while it is one alone. */
  permits: Permit | Permit[] | undefined
}

/**
 * Asks `gates` in their order and collects the permits. Returns the gate that refused and its refusal; whoever admitted before it is
 * settled by the caller as usual. A gate that throws is passed over: a defect in it must not stop the calls.
 */
export function askGates(gates: readonly Gate[], call: AdmittedByGates, report: Report): { gate: Gate; refusal: Refusal } | undefined {
  for (const gate of gates) {
    try {
      const verdict = gate.admit(call)
      if (verdict.refused === true) return { gate, refusal: verdict }
      if (typeof verdict.settle !== 'function') throw defectOf(verdict, gate, report)
      const { permits } = call
      if (permits === undefined) call.permits = verdict
      else if (Array.isArray(permits)) permits.push(verdict)
      else call.permits = [permits, verdict]
    } catch (error) {
      report(`gate ${gate.name}`, error)
    }
  }
  return undefined
}

/** Tells every permit how the call ended, last first. */
export function settlePermits(permits: Permit | readonly Permit[], outcome: Outcome, report: Report): void {
  if (!isList(permits)) settlePermit(permits, outcome, report)
  else for (let index = permits.length - 1; index >= 0; index--) settlePermit(permits[index] as Permit, outcome, report)
}

function isList(permits: Permit | readonly Permit[]): permits is readonly Permit[] {
  return Array.isArray(permits)
}

function settlePermit(permit: Permit, outcome: Outcome, report: Report): void {
  try {
    const returned: unknown = permit.settle(outcome)
    if (returned instanceof Promise) returned.catch((error: unknown) => report('permit', error))
  } catch (error) {
    report('permit', error)
  }
}

/** What a gate answered that is neither permit nor refusal; an async one may still throw. */
function defectOf(verdict: unknown, gate: Gate, report: Report): TypeError {
  if (verdict instanceof Promise) verdict.catch((error: unknown) => report(`gate ${gate.name}`, error))
  return new TypeError('a gate answers at once, with a permit or a refusal')
}
