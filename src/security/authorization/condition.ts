import type { InboundCall } from '../../model/inbound-call.ts'

/** What rules are looked up by. */
export type Attribute = 'principal' | 'host' | 'path' | 'method' | 'namespace'

/** A literal that a request must have in one attribute; a path that is not `whole` needs only begin with it. */
export interface Key {
  readonly text: string
  readonly whole: boolean
}

/** The request that is judged, in one reading of its path. */
export interface Question {
  readonly call: InboundCall
  readonly path: string
}

/**
 * One condition of a policy. What it decides on several values, and on a name that two kinds of certificates may bear, depends on
 * what is at stake: `certain` (an allow policy) asks that every value matches, else (a deny policy) one is enough. A negation
 * turns that round.
 */
export interface Condition {
  /** Reads what is not part of the key under which decisions are kept: headers, tokens, addresses of the other side. */
  readonly volatile: boolean
  /** Literals of which the request has at least one where the condition holds; undefined: it may hold without any. */
  keys(attribute: Attribute): readonly Key[] | undefined
  /** What is left to ask of a request that has `key`, one of {@link keys}; absent: the same as of any other. */
  given?(attribute: Attribute, key: Key): Condition
  holds(question: Question, certain: boolean): boolean
}

/** Holds always. */
export const ALWAYS: Condition = Object.freeze({ volatile: false, keys: () => undefined, holds: () => true })

/** Holds when all of its parts do. */
class AllOf implements Condition {
  readonly volatile: boolean
  readonly parts: readonly Condition[]

  constructor(parts: readonly Condition[]) {
    this.parts = parts
    this.volatile = parts.some((part) => part.volatile)
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    let fewest: readonly Key[] | undefined
    for (const part of this.parts) {
      const keys = part.keys(attribute)
      if (keys !== undefined && (fewest === undefined || keys.length < fewest.length)) fewest = keys
    }
    return fewest
  }

  given(attribute: Attribute, key: Key): Condition {
    return allOf(this.parts.map((part) => left(part, attribute, key)))
  }

  holds(question: Question, certain: boolean): boolean {
    for (let index = 0; index < this.parts.length; index++) if (!(this.parts[index] as Condition).holds(question, certain)) return false
    return true
  }
}

/** Holds when one of its parts does. */
class AnyOf implements Condition {
  readonly volatile: boolean
  private readonly parts: readonly Condition[]

  constructor(parts: readonly Condition[]) {
    this.parts = parts
    this.volatile = parts.some((part) => part.volatile)
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    const all: Key[] = []
    for (const part of this.parts) {
      const keys = part.keys(attribute)
      if (keys === undefined) return undefined
      all.push(...keys)
    }
    return all
  }

  given(attribute: Attribute, key: Key): Condition {
    return this.parts.some((part) => left(part, attribute, key) === ALWAYS) ? ALWAYS : this
  }

  holds(question: Question, certain: boolean): boolean {
    for (let index = 0; index < this.parts.length; index++) if ((this.parts[index] as Condition).holds(question, certain)) return true
    return false
  }
}

/** Holds when its part does not, also when there is nothing to compare, as in Istio and Envoy. */
export class Not implements Condition {
  readonly volatile: boolean
  private readonly part: Condition

  constructor(part: Condition) {
    this.part = part
    this.volatile = part.volatile
  }

  keys(): undefined {
    return undefined
  }

  holds(question: Question, certain: boolean): boolean {
    return !this.part.holds(question, !certain)
  }
}

/** All of `parts`, as simply as it can be said. */
export function allOf(given: readonly Condition[]): Condition {
  const plain = given.every((part) => !(part instanceof AllOf) && part !== ALWAYS)
  const parts = plain ? given : given.flatMap((part) => (part instanceof AllOf ? part.parts : part === ALWAYS ? [] : [part]))
  return parts.length === 0 ? ALWAYS : parts.length === 1 ? (parts[0] as Condition) : new AllOf(parts)
}

/** One of `parts`, as simply as it can be said. */
export function anyOf(parts: readonly Condition[]): Condition {
  return parts.length === 1 ? (parts[0] as Condition) : new AnyOf(parts)
}

/** What is left to ask of `condition` when the request has `key`. */
export function left(condition: Condition, attribute: Attribute, key: Key): Condition {
  const names = condition.given === undefined ? undefined : condition.keys(attribute)
  const named = names?.some(({ text, whole }) => text === key.text && whole === key.whole) === true
  return named ? (condition.given as NonNullable<Condition['given']>).call(condition, attribute, key) : condition
}
