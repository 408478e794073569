import type { Call } from '../core/call.ts'
import type { Explanation } from '../model/explanation.ts'
import type { Choice } from './choice.ts'

/** Why a call that found nobody found nobody, where that is because of whom it may choose among; and the resource that says so. */
export function whyNobody(choice: Choice, call: Call, colour: string | undefined): { reason: string; from?: string } | undefined {
  const reason = choice.problem ?? (isWhole(choice) ? undefined : told(choice, call, colour, call.startedAt).because)
  if (reason === undefined) return undefined
  return choice.from === undefined ? { reason } : { reason, from: choice.from }
}

/** What `explain` says of whom a call chooses among; nothing where that is all endpoints. */
export function explainChoice(choice: Choice, call: Call, colour: string | undefined, now: number): Pick<Explanation, 'selection'> {
  if (isWhole(choice)) return {}
  const { problem, title, from = 'the call' } = choice
  const selection = problem === undefined ? told(choice, call, colour, now) : { meant: title, taken: undefined, because: problem }
  return { selection: { ...selection, from } }
}

function isWhole({ problem, steps }: Choice): boolean {
  return problem === undefined && steps[0]?.metadata === undefined
}

function told(
  choice: Choice,
  call: Call,
  colour: string | undefined,
  now: number,
): { meant: string; taken: string | undefined; because: string } {
  const { title, steps } = choice
  const { at, there, chosen } = choice.place(call, colour, now)
  const lacks = (step: number): string => `no ${there[step] === true ? 'usable ' : ''}endpoint has ${steps[step]?.said}`
  const meant = steps[0]?.said ?? ''
  const taken = steps[at]?.said
  const before = steps.slice(0, at < 0 ? steps.length : at).map((_, step) => lacks(step))
  if (taken === undefined) return { meant, taken, because: `${title}: ${before.join(', ')}: ${NOBODY}` }
  if (chosen.set.usable.length === 0)
    return { meant, taken: undefined, because: `${title}: ${[...before, lacks(at)].join(', ')}: ${NOBODY}` }
  if (at === 0) return { meant, taken, because: `${title}: endpoints that have ${meant}` }
  return {
    meant,
    taken,
    because: `${title}: ${before.join(', ')}, so ${steps[at]?.metadata === undefined ? 'any' : `one with ${taken}`} takes it`,
  }
}

const NOBODY = 'nobody may take its calls'
