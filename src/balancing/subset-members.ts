import type { EndpointSpec } from '../core/endpoint.ts'
import { LeastOf } from './least-of.ts'
import { scoreOf } from './subset-score.ts'
import { SubsetWidth } from './subset-width.ts'

/**
 * Which of very many endpoints a process uses, while they come, go, fail and heal. The endpoints of a group stand in a row of the process's
 * own, by the score of their ids (rendezvous hashing, gRFC A68), and it uses the first ones: as many as it takes to have `size` that are in
 * use. So whoever is out is stood in for by the next of the row, which is another one for every process; he keeps his place, is tried again
 * like any other, and whoever stood in leaves when he is back.
 *
 * Health is asked when it changed, never by a pick. Nobody outside is known, so he counts as healthy until he was asked.
 */
export class SubsetMembers {
  /** Most endpoints of each group that are used while they are healthy. */
  size = Number.POSITIVE_INFINITY
  /** Clock time at which {@link look} may find that somebody can leave. */
  dueAt = Number.POSITIVE_INFINITY
  /** What endpoints are divided by; each group has `size`. */
  private groupOf: Grouping = priorityOf
  private readonly seed: () => number
  private readonly isUsable: (id: string) => boolean
  private groups: ReadonlyMap<string | number, Group> = new Map()

  /**
   * @param seed who this process is; asked for at the first need
   * @param isUsable whether the endpoint with this id is in use, as far as anybody knows
   */
  constructor(seed: () => number, isUsable: (id: string) => boolean) {
    this.seed = seed
    this.isUsable = isUsable
  }

  /** More are offered than `size`. */
  get divides(): boolean {
    return this.groups.size > 0
  }

  /** Some endpoints are not used. */
  get partial(): boolean {
    for (const { more } of this.groups.values()) if (more) return true
    return false
  }

  /** Whether somebody would stand in for one more that goes out. */
  get spare(): boolean {
    const most = mostOf(this.size)
    for (const { more, row } of this.groups.values()) if (more && row.length < most) return true
    return false
  }

  /** Another size, or other groups: what was needed of the former ones says nothing. */
  configure(size: number, groupOf: Grouping = priorityOf): void {
    this.size = size
    this.groupOf = groupOf
    this.groups = new Map()
    this.dueAt = Number.POSITIVE_INFINITY
  }

  /** Those of `specs` that are used from now on, in their order; `specs` itself when all are. It may be interrupted at every `yield`. */
  *steps(specs: readonly EndpointSpec[], now: number): Generator<undefined, readonly EndpointSpec[]> {
    if (specs.length <= this.size) {
      this.groups = new Map()
      this.dueAt = Number.POSITIVE_INFINITY
      return specs
    }
    const { size, groupOf, groups: former } = this
    const draft: Draft = { specs, scores: new Float64Array(specs.length), groups: new Map(), groupOf, seed: this.seed(), former, size, now }
    for (let begin = 0; begin < specs.length; begin += SPECS_PER_STEP) {
      if (begin > 0) yield
      score(draft, begin, Math.min(specs.length, begin + SPECS_PER_STEP))
    }
    do {
      yield
      gather(draft)
    } while (this.widen(draft))
    this.groups = draft.groups
    this.look(now)
    const taken: number[] = []
    for (const { row } of draft.groups.values()) for (const { index } of row) taken.push(index)
    if (taken.length === specs.length) return specs
    return Object.freeze(taken.sort(byNumber).map((index) => specs[index] as EndpointSpec))
  }

  /** Whether other endpoints ought to be used than those that {@link steps} gave last. */
  look(now: number): boolean {
    let changed = false
    this.dueAt = Number.POSITIVE_INFINITY
    for (const group of this.groups.values()) {
      this.fit(group, now)
      const { width, offered, row, need, bearable } = group
      if (Math.min(width.length, offered) !== row.length) changed = true
      else this.dueAt = Math.min(this.dueAt, width.dueAt(need, bearable))
    }
    return changed
  }

  /** Who stands in for whom, by their ids; one that nobody needs any more, and that leaves soon, for `undefined`. */
  standIns(): ReadonlyMap<string, string | undefined> {
    const found = new Map<string, string | undefined>()
    for (const { row } of this.groups.values()) {
      if (row.length <= this.size) continue
      const out = row.filter(({ id }) => !this.isUsable(id))
      let next = 0
      for (const { id } of row.slice(this.size)) if (this.isUsable(id)) found.set(id, out[next++]?.id)
    }
    return found
  }

  /** Settles how many of a group are used. */
  private fit(group: Group, now: number): void {
    const { size } = this
    const { row, offered, width } = group
    let usable = 0
    let need = 0
    group.bearable = Number.POSITIVE_INFINITY
    for (let at = 0; at < row.length; at++) {
      if (!this.isUsable((row[at] as Placed).id)) continue
      usable++
      if (usable === size) need = at + 1
      if (usable <= 2 * size) continue
      // Many came back at once.
      group.bearable = at
      break
    }
    if (usable < size) need = row.length + size - usable
    const most = Math.min(offered, mostOf(size))
    group.need = Math.min(need, most)
    width.note(group.need, group.bearable, now)
    width.limit(most)
  }

  /** Fits every group of a draft to who is in use; true when one has to be gathered anew, since it needs more than there are. */
  private widen({ groups, now }: Draft): boolean {
    let again = false
    for (const group of groups.values()) {
      this.fit(group, now)
      const { row, width, offered } = group
      if (width.length > row.length && row.length < offered) {
        group.wanted = Math.max(width.length, Math.ceil(row.length * 1.5))
        again = true
      } else {
        group.row = row.slice(0, width.length)
        group.wanted = group.row.length
      }
    }
    return again
  }
}

/** What endpoints are divided by: those of one value are a group. */
export type Grouping = (spec: EndpointSpec) => string | number

/** An endpoint in the row of its group. */
interface Placed {
  readonly id: string
  readonly score: number
  /** Its number among all that are offered. */
  readonly index: number
}

/** Endpoints of which `size` are used by themselves. */
class Group {
  readonly width: SubsetWidth
  /** Those that are used, the lowest score first. */
  row: readonly Placed[] = []
  /** How many there are. */
  offered = 0
  /** So many of the row it takes to have the size in use; with more than `bearable` of it more than twice the size are. */
  need = 0
  bearable = Number.POSITIVE_INFINITY
  /** How many of them a draft looks at. */
  wanted: number
  least: LeastOf

  constructor(width: SubsetWidth) {
    this.width = width
    this.wanted = width.length
    this.least = new LeastOf(this.wanted)
  }

  get more(): boolean {
    return this.row.length < this.offered
  }
}

/** A choice in the making. */
interface Draft {
  readonly specs: readonly EndpointSpec[]
  readonly scores: Float64Array
  readonly groups: Map<string | number, Group>
  readonly groupOf: Grouping
  readonly seed: number
  readonly former: ReadonlyMap<string | number, Group>
  readonly size: number
  readonly now: number
}

// A loop of its own, since the engine makes little of loops that yield.
function score({ specs, scores, groups, groupOf, seed, former, size, now }: Draft, begin: number, end: number): void {
  let key: string | number | undefined
  let group: Group | undefined
  for (let index = begin; index < end; index++) {
    const spec = specs[index] as EndpointSpec
    const its = scoreOf(spec.id, seed)
    const where = groupOf(spec)
    scores[index] = its
    if (group === undefined || where !== key) {
      key = where
      group = groups.get(where)
      if (group === undefined) {
        group = new Group(former.get(where)?.width ?? new SubsetWidth(size, now))
        groups.set(where, group)
      }
    }
    group.offered++
    group.least.add(its)
  }
}

/** Puts the first ones of every group into their row. */
function gather({ specs, scores, groups, groupOf }: Draft): void {
  const rows = new Map<Group, Placed[]>()
  for (const group of groups.values()) {
    if (group.wanted === group.row.length) continue
    rows.set(group, [])
    if (group.row.length > 0) group.least = new LeastOf(group.wanted)
  }
  const again = [...rows.keys()].some(({ row }) => row.length > 0)
  if (again) for (let index = 0; index < specs.length; index++) rowed(index)?.least.add(scores[index] as number)
  for (let index = 0; index < specs.length; index++) {
    const group = rowed(index)
    const its = scores[index] as number
    if (group !== undefined && its <= group.least.highest)
      rows.get(group)?.push({ id: (specs[index] as EndpointSpec).id, score: its, index })
  }
  for (const [group, row] of rows) group.row = row.sort(byScore)

  function rowed(index: number): Group | undefined {
    return groups.get(groupOf(specs[index] as EndpointSpec))
  }
}

function byScore(a: Placed, b: Placed): number {
  return a.score - b.score || a.index - b.index
}

function byNumber(a: number, b: number): number {
  return a - b
}

function priorityOf({ priority }: EndpointSpec): number {
  return priority
}

/** More than so many are not looked at: where three of four are out the trouble is not theirs, and panic is right. */
function mostOf(size: number): number {
  return Math.max(4 * size, size + 32)
}

const SPECS_PER_STEP = 4_096
