import type { Call } from '../core/call.ts'
import type { Explanation } from '../model/explanation.ts'
import type { Choice } from './choice.ts'

/** Why a call found nobody although its service has endpoints in use, and the resource that says so; undefined where it may go to all of them. */
export function whyNobody(choice: Choice, call: Call, colour: string | undefined): { reason: string; from?: string } | undefined {
  const { from } = choice
  const { lanes } = choice.place(call, colour, call.startedAt)
  if (isWhole(choice)) return lanes === undefined ? undefined : { reason: lanes.describe(colour) }
  const reason = choice.problem ?? told(choice, call, colour, call.startedAt).because
  return from === undefined ? { reason } : { reason, from }
}

/**
 * What `explain` says of whom a call chooses among; nothing where that is all endpoints.
 * @param by who gave the metadata that the call asks for
 */
export function explainChoice(choice: Choice, call: Call, colour: string | undefined, by?: string): Pick<Explanation, 'selection'> {
  if (isWhole(choice)) return {}
  const { problem, title, from = by ?? 'this call' } = choice
  const selection =
    problem === undefined ? told(choice, call, colour, call.startedAt) : { meant: title, taken: undefined, because: problem }
  return { selection: { ...selection, from } }
}

function isWhole({ problem, steps }: Choice): boolean {
  return problem === undefined && steps[0]?.metadata === undefined
}

interface Told {
  readonly meant: string
  readonly taken: string | undefined
  readonly because: string
}

function told(choice: Choice, call: Call, colour: string | undefined, now: number): Told {
  const { title, steps } = choice
  const { at, there, chosen, within, lanes } = choice.place(call, colour, now)
  const lacks = (step: number): string => `no ${there[step] === true ? 'usable ' : ''}endpoint has ${steps[step]?.said}`
  const meant = steps[0]?.said ?? ''
  const taken = steps[at]?.said
  const before = steps.slice(0, at < 0 ? steps.length : at).map((_, step) => lacks(step))
  if (taken === undefined) return { meant, taken, because: `${title}: ${before.join(', ')}: ${NOBODY}` }
  const by = steps[at]?.metadata === undefined ? 'any' : `one with ${taken}`
  const takes = at === 0 ? `endpoints that have ${meant}` : `${before.join(', ')}, so ${by} takes it`
  if (chosen.set.usable.length > 0) return { meant, taken, because: `${title}: ${takes}` }
  // The endpoints are there, and not for this call.
  const why = within.usable.length > 0 && lanes !== undefined ? lanes.describe(colour) : [...before, lacks(at)].join(', ')
  return { meant, taken: undefined, because: `${title}: ${why}: ${NOBODY}` }
}

const NOBODY = 'nobody may take its calls'
