import { isPlainObject } from './blocks.ts'
import type { Problem } from './path.ts'

/** Keys at the root (`gates`), or one below (`inbound.gates`), whose values only code can give: kept as they are, and never looked into. */
export type Opaque = Readonly<Record<string, 'value' | 'list'>>

/** What came in, as plain data that nobody else holds. */
export interface Plain {
  readonly value: unknown
  readonly problems: readonly Problem[]
  /** A small tree of values that nobody can change: what says the same another time can be told by comparing. */
  readonly comparable: boolean
}

const MAX_DEPTH = 64
const MAX_ITEMS = 1_000_000
/** Whatever has more objects in it costs more memory than reading it again costs time. */
const MAX_COMPARED = 1_000

/**
 * A copy of `input` read exactly once: what was checked is what is used, even when a getter answers differently each time.
 * Objects lose their prototype, so that nothing inherited is ever taken for written; an object that is there twice is
 * copied once, or a handful of YAML aliases would unfold into millions. Class instances and functions stay as they are.
 * @param levels how many levels of objects are copied; what lies deeper is handed on as it came. Default all of them
 */
export function copyPlain(input: unknown, opaque?: Opaque, levels = Number.POSITIVE_INFINITY): Plain {
  const copying = new Copying(opaque, levels)
  const value = copying.of(input)
  return { value, problems: copying.problems, comparable: copying.comparable }
}

/**
 * What copied objects are made of: one that inherits nothing but nothing. Of `Object.create(null)` each would be a dictionary of its own,
 * which takes several times as long to write and to read.
 */
function Bare(this: object): void {}
Bare.prototype = Object.freeze(Object.create(null) as object)
const BareObject = Bare as unknown as new () => Record<string, unknown>

/** Where a copy is not done yet: whoever comes upon it again came in a circle. */
const OPEN = Symbol('open')

/** One copy under way. Where it is, is known as a path that grows and shrinks: it is written down only for a problem. */
class Copying {
  readonly problems: Problem[] = []
  comparable = true
  private readonly opaque: Opaque | undefined
  private readonly levels: number
  private readonly done = new Map<object, unknown>()
  private readonly path: PropertyKey[] = []

  constructor(opaque: Opaque | undefined, levels: number) {
    this.opaque = opaque
    this.levels = levels
  }

  of(value: unknown): unknown {
    try {
      return this.copy(value)
    } catch (error) {
      return this.tell(`cannot be read: ${textOf(error)}`)
    }
  }

  private copy(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) {
      if (typeof value === 'function') this.comparable = false
      return value
    }
    if (this.path.length >= this.levels) return value
    const isList = Array.isArray(value)
    if (!isList && !isPlainObject(value)) {
      this.comparable = false
      return value
    }
    const done = this.done.get(value)
    if (done !== undefined || this.done.size >= MAX_COMPARED) this.comparable = false
    if (done === OPEN) return this.tell('refers to itself')
    if (done !== undefined) return done
    if (this.path.length > MAX_DEPTH) return this.tell('is nested too deeply')
    if (isList && value.length > MAX_ITEMS) return this.tell('is too long a list')
    this.done.set(value, OPEN)
    const copied = isList ? this.copyList(value) : this.copyObject(value)
    this.done.set(value, copied)
    return copied
  }

  private copyList(list: readonly unknown[]): unknown[] {
    const copied: unknown[] = []
    for (let index = 0; index < list.length; index++) copied.push(this.part(list, index))
    return copied
  }

  private copyObject(object: Record<string, unknown>): unknown {
    const copied = new BareObject()
    for (const key of Object.keys(object)) {
      // It comes from parsed text, and nothing good is meant by it.
      if (key === '__proto__') this.told(key, 'this key is not allowed')
      else copied[key] = this.part(object, key)
    }
    return copied
  }

  private part(whole: object, key: PropertyKey): unknown {
    const { path } = this
    path.push(key)
    try {
      const value = (whole as Record<PropertyKey, unknown>)[key]
      const how = this.opaque === undefined || path.length > 2 ? undefined : howKept(this.opaque, path.join('.'))
      if (how === undefined) return this.copy(value)
      return how === 'list' && Array.isArray(value) ? [...(value as unknown[])] : value
    } catch (error) {
      return this.tell(`cannot be read: ${textOf(error)}`)
    } finally {
      path.pop()
    }
  }

  private told(key: PropertyKey, message: string): void {
    this.path.push(key)
    this.tell(message)
    this.path.pop()
  }

  private tell(message: string): undefined {
    this.problems.push(problem([...this.path], message))
    return undefined
  }
}

function howKept(opaque: Opaque, place: string): Opaque[string] | undefined {
  return Object.hasOwn(opaque, place) ? opaque[place] : undefined
}

function problem(path: readonly PropertyKey[], message: string): Problem {
  return { path, message: path.length === 0 ? `the options: ${message}` : message }
}

/** What was thrown, in words; it may be anything, even something that cannot be printed. */
export function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : String(thrown)
  } catch {
    return 'something that cannot be printed was thrown'
  }
}
