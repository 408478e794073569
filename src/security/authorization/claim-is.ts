import type { Condition, Question } from './condition.ts'
import type { ValueTest } from './header-is.ts'

/** Claims that are lists written as one text, as Istio reads them. */
const SPACE_DELIMITED = new Set(['scope', 'permission'])

/** A claim of the verified token, however deep. Of a list, one element has to match; numbers and booleans count as their text. */
export class ClaimIs implements Condition {
  readonly volatile = true
  private readonly path: readonly string[]
  private readonly test: ValueTest | undefined

  /** @param test undefined: that it is there is enough */
  constructor(path: readonly string[], test: ValueTest | undefined) {
    this.path = path
    this.test = test
  }

  keys(): undefined {
    return undefined
  }

  holds({ call: { requestPrincipal } }: Question): boolean {
    let value: unknown = requestPrincipal?.claims
    for (const name of this.path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false
      value = (value as Record<string, unknown>)[name]
    }
    if (this.test === undefined) return value !== undefined && value !== null
    if (typeof value === 'string' && this.path.length === 1 && SPACE_DELIMITED.has(this.path[0] as string)) value = value.split(/\s+/)
    if (!Array.isArray(value)) return this.matches(value)
    return value.some((element) => this.matches(element))
  }

  private matches(value: unknown): boolean {
    const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value
    return typeof text === 'string' && (this.test as ValueTest).matches(text)
  }
}
