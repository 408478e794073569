import type { Condition, Question } from './condition.ts'

/** What is asked of one value of a header. */
export interface ValueTest {
  matches(value: string): boolean
}

/**
 * A request header. With several values an allow policy needs each of them to match, a deny policy one: joined by commas, as
 * proxies compare them, `admin,x` would be neither `admin` nor refused. A header that is not there matches no value, and no
 * inverted one either, as in Envoy.
 */
export class HeaderIs implements Condition {
  readonly volatile = true
  private readonly name: string
  private readonly test: ValueTest
  private readonly invert: boolean

  constructor(name: string, test: ValueTest, invert = false) {
    this.name = name
    this.test = test
    this.invert = invert
  }

  keys(): undefined {
    return undefined
  }

  holds({ call }: Question, certain: boolean): boolean {
    const values = call.values(this.name)
    for (let index = 0; index < values.length; index++) {
      const matches = this.test.matches(values[index] as string) !== this.invert
      if (matches !== certain) return matches
    }
    return certain && values.length > 0
  }
}

/** Whether a request header is there, with whatever value. */
export class HeaderPresent implements Condition {
  readonly volatile = true
  private readonly name: string
  private readonly present: boolean

  constructor(name: string, present: boolean) {
    this.name = name
    this.present = present
  }

  keys(): undefined {
    return undefined
  }

  holds({ call }: Question): boolean {
    return call.values(this.name).length > 0 === this.present
  }
}

/** A whole number in a range that ends before `end`; whatever is no decimal integer is in none. */
export class NumberInRange implements ValueTest {
  private readonly start: number
  private readonly end: number

  constructor(start: number, end: number) {
    this.start = start
    this.end = end
  }

  matches(value: string): boolean {
    if (!/^[+-]?\d{1,19}$/.test(value)) return false
    const number = Number(value)
    return number >= this.start && number < this.end
  }
}
