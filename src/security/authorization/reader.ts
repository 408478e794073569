import { type Problem, unknownKey } from '../../core/problem.ts'

/** A value for an error text, short. */
function printed(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `text of ${value.length} characters` : JSON.stringify(value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** Most values that one policy may have: aliases of YAML unfold a handful of lines into millions. */
const MAX_VALUES = 100_000

/** The keys of an object that was read. */
export type Fields<Key extends string> = { readonly [key in Key]?: unknown }

/**
 * One place in a document that is being read; what is wrong there is told with its path. Reading goes on after a problem, so that
 * all of them come at once.
 */
export class Reader {
  private readonly problems: Problem[]
  private readonly budget: { left: number }
  /** Paths are put together when something is wrong. */
  private readonly above: Reader | undefined
  private readonly key: PropertyKey | undefined
  /** Paths in it are folded, and so need not be canonical. */
  readonly folded: boolean

  constructor(problems: Problem[], key?: PropertyKey, above?: Reader, folded = above?.folded ?? false) {
    this.problems = problems
    this.budget = above === undefined ? { left: MAX_VALUES } : above.budget
    this.above = above
    this.key = key
    this.folded = folded
  }

  at(key: PropertyKey): Reader {
    return new Reader(this.problems, key, this)
  }

  tell(message: string): undefined {
    this.problems.push({ path: this.path(), message })
    return undefined
  }

  private path(): PropertyKey[] {
    const above = this.above?.path() ?? []
    if (this.key !== undefined) above.push(this.key)
    return above
  }

  /**
   * An object with these keys and no other. A condition whose value is undefined was meant to be there, and without it a rule would
   * match more: it is refused unless `lax`.
   */
  fields<const Key extends string>(value: unknown, known: readonly Key[], { lax = false } = {}): Fields<Key> | undefined {
    if (!isPlain(value)) return this.tell(`expected an object, got ${printed(value)}`)
    const found: { [key in Key]?: unknown } = {}
    for (const key of Object.keys(value)) {
      if (!known.includes(key as Key)) this.at(key).tell(unknownKey(key, known))
      else if (value[key] !== undefined) found[key as Key] = value[key]
      else if (!lax) this.at(key).tell('expected a value, got undefined')
    }
    return found
  }

  /** A list of at least one; `read` sees each with its place. What it gives for a problem is left out. */
  list<T>(value: unknown, what: string, read: (each: unknown, at: Reader, index: number) => T | undefined): T[] {
    if (!Array.isArray(value) || value.length === 0) {
      this.tell(`expected a list of ${what}, got ${Array.isArray(value) ? 'an empty one, which would match nothing' : printed(value)}`)
      return []
    }
    const taken: T[] = []
    for (let index = 0; index < value.length; index++) {
      if (--this.budget.left < 0) {
        this.tell(`has too much in it: at most ${MAX_VALUES} values`)
        break
      }
      const each = read(value[index], this.at(index), index)
      if (each !== undefined) taken.push(each)
    }
    return taken
  }

  /** Text that a condition may hold: not empty, bounded. */
  text(value: unknown, what: string): string | undefined {
    if (typeof value === 'string' && value !== '' && value.length <= 2_048) return value
    return this.tell(`expected ${what}, got ${printed(value)}`)
  }

  flag(value: unknown): boolean {
    if (value === undefined) return false
    if (typeof value === 'boolean') return value
    this.tell(`expected a boolean, got ${printed(value)}`)
    return false
  }

  integer(value: unknown, from: number, to: number): number | undefined {
    if (Number.isInteger(value) && (value as number) >= from && (value as number) <= to) return value as number
    return this.tell(`expected an integer from ${from} to ${to}, got ${printed(value)}`)
  }
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}
