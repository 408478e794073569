import type { Random } from '../core/random.ts'

/** A request as rules ask about it. Everything is read at the first question: most rules only look at the path. */
export interface RoutedRequest {
  readonly method: string
  /** Without query and fragment, as it goes on the wire. */
  readonly pathname: string
  /** Without its question mark. */
  readonly query: string
  /** From 0 to 100, the same for the whole request: which of the fractions it falls under. */
  readonly share: number
  /** By lower-case name; what came more than once is joined by commas. */
  header(name: string): string | undefined
}

/** Reads one header out of headers in whatever form. */
export type HeaderReader = (headers: unknown, name: string) => string | undefined

/** The request beneath which a call is made; its headers go with the call where the caller wrote none. */
export interface Beneath {
  /** One of the headers that are handed on as they came. */
  handedOn(name: string): string | undefined
}

/**
 * The one view that all requests of a mesh are routed through, one after the other: routing never waits, so there is nothing to
 * allocate per call.
 */
export class RequestView implements RoutedRequest {
  method = ''
  private path = ''
  private headers: unknown = undefined
  private beneath: Beneath | undefined = undefined
  private readonly read: HeaderReader
  private readonly random: Random
  private before: string | undefined = undefined
  private after: string | undefined = undefined
  private drawn = -1

  constructor(read: HeaderReader, random: Random) {
    this.read = read
    this.random = random
  }

  /** Looks at another request from here on. */
  of(method: string, path: string, headers: unknown, beneath?: Beneath): this {
    this.method = method
    this.path = path
    this.headers = headers
    this.beneath = beneath
    this.before = undefined
    this.after = undefined
    this.drawn = -1
    return this
  }

  get pathname(): string {
    if (this.before === undefined) this.split()
    return this.before as string
  }

  get query(): string {
    if (this.after === undefined) this.split()
    return this.after as string
  }

  get share(): number {
    if (this.drawn < 0) this.drawn = this.random() * 100
    return this.drawn
  }

  header(name: string): string | undefined {
    return this.read(this.headers, name) ?? this.beneath?.handedOn(name)
  }

  private split(): void {
    const { path } = this
    const hash = path.indexOf('#')
    const end = hash < 0 ? path.length : hash
    const mark = path.indexOf('?')
    if (mark < 0 || mark > end) {
      this.before = end === path.length ? path : path.slice(0, end)
      this.after = ''
    } else {
      this.before = path.slice(0, mark)
      this.after = path.slice(mark + 1, end)
    }
  }
}
