import type { Endpoint } from '../core/endpoint.ts'

/**
 * Which members of a table are candidates now. An ejection costs one walk over the members, and the table stays as it is.
 */
export class UsableMembers {
  private members: readonly Endpoint[] | undefined = undefined
  private candidates: readonly Endpoint[] | undefined = undefined
  private marks: Uint8Array | undefined = undefined

  /** 1 at the place of every member that is a candidate; undefined when all of them are. */
  marksOf(members: readonly Endpoint[], candidates: readonly Endpoint[]): Uint8Array | undefined {
    if (members === candidates) return undefined
    if (this.members !== members || this.candidates !== candidates) {
      this.members = members
      this.candidates = candidates
      this.marks = mark(members, candidates)
    }
    return this.marks
  }
}

function mark(members: readonly Endpoint[], candidates: readonly Endpoint[]): Uint8Array | undefined {
  const marks = new Uint8Array(members.length)
  // Candidates mostly stand in the order of the members.
  let next = 0
  for (let index = 0; index < members.length; index++) {
    if (members[index] !== candidates[next]) continue
    marks[index] = 1
    next++
  }
  if (next === candidates.length) return next === members.length ? undefined : marks
  // The table is older than the candidates: some of them are not in it.
  const known = new Set(candidates)
  for (let index = 0; index < members.length; index++) marks[index] = known.has(members[index] as Endpoint) ? 1 : 0
  return marks
}
