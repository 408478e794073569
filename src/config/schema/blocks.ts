import * as v from 'valibot'
import { parseDuration } from '../../core/duration.ts'
import { unknownKey as unknownKeyText } from '../../core/problem.ts'
import { spokenUrl, withoutUserInfo } from '../../core/redact.ts'

/** A value for an error text: short, and never what looks like a key or a certificate. */
export function print(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 60 || value.includes('-----')
      ? `text of ${value.length} characters`
      : JSON.stringify(/^[a-z]+:\/\//i.test(value) ? spokenUrl(value) : withoutUserInfo(value))
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  return printType(value)
}

/** Only what kind of value it is: for what may be secret. */
export function printType(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return 'text'
  if (typeof value !== 'object') return `a ${typeof value}`
  return isPlainObject(value) ? 'an object' : value instanceof Uint8Array ? 'bytes' : 'an instance of a class'
}

/** A schema that turns any input into `T`, or says what it expected. */
export function checked<T>(
  expectation: string,
  read: (input: unknown) => T | undefined,
  describe: (input: unknown) => string = print,
): v.GenericSchema<unknown, T> {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      try {
        const output = read(dataset.value)
        if (output !== undefined) return output
        addIssue({ message: `expected ${expectation}, got ${describe(dataset.value)}` })
      } catch {
        // A proxy or a getter of an object that is kept by reference.
        addIssue({ message: `expected ${expectation}, got something that cannot be read` })
      }
      return NEVER
    }),
  ) as v.GenericSchema<unknown, T>
}

/** Milliseconds; above 0 unless `zero`. */
export function duration({ zero = false }: { zero?: boolean } = {}): v.GenericSchema<unknown, number> {
  return checked(`a duration ${zero ? '' : 'above 0 '}such as 250, '250ms' or '2s', at most 24 days`, (input) => {
    const ms = parseDuration(input)
    return ms === undefined || (ms === 0 && !zero) ? undefined : ms
  })
}

/** 0–100, or `from`–100. A fraction of one is nearly always a mistaken share. */
export function percent(from = 0): v.GenericSchema<unknown, number> {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, number>(({ dataset: { value }, addIssue, NEVER }) => {
      if (typeof value === 'number' && value > 0 && value < 1) {
        addIssue({
          message: `expected a percentage from ${from} to 100, got ${value}; did you mean ${Number((value * 100).toPrecision(6))}?`,
        })
        return NEVER
      }
      if (typeof value === 'number' && value >= from && value <= 100) return value
      addIssue({ message: `expected a percentage from ${from} to 100, got ${print(value)}` })
      return NEVER
    }),
  ) as v.GenericSchema<unknown, number>
}

/** A whole number within bounds; NaN and infinities are none. */
export function integer(from: number, to: number): v.GenericSchema<unknown, number> {
  return checked(`an integer from ${from} to ${to}`, (input) =>
    Number.isInteger(input) && (input as number) >= from && (input as number) <= to ? (input as number) : undefined,
  )
}

/** One of the words this version knows; those of a later one are told apart from misspelt ones. */
export function oneOf<const T extends string>(known: readonly T[], later: readonly string[] = []): v.GenericSchema<unknown, T> {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset: { value }, addIssue, NEVER }) => {
      if (known.includes(value as T)) return value as T
      const notYet = later.includes(value as string)
      addIssue({
        message: notYet ? `${print(value)} is not available in this version` : `expected ${known.join(', ')}, got ${print(value)}`,
      })
      return NEVER
    }),
  ) as v.GenericSchema<unknown, T>
}

/** Text for names and labels: not empty, bounded, printable on one line. */
export function text(max: number): v.GenericSchema<unknown, string> {
  return checked(`text of 1 to ${max} characters without control characters`, (input) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    typeof input === 'string' && input.length > 0 && input.length <= max && !/[\u0000-\u001f\u007f]/.test(input) ? input : undefined,
  )
}

/** Keeps what only code can give (a clock, a logger) and checks that it has the methods it needs. */
export function withMethods<T>(what: string, ...methods: string[]): v.GenericSchema<unknown, T> {
  return checked(`${what} (an object with ${methods.join(', ')})`, (input) =>
    typeof input === 'object' &&
    input !== null &&
    methods.every((method) => typeof (input as Record<string, unknown>)[method] === 'function')
      ? (input as T)
      : undefined,
  )
}

/** `false` switches a section off. */
export function orOff<Output>(section: v.GenericSchema<unknown, Output>): v.GenericSchema<unknown, Output | false> {
  return v.lazy((input) => (input === false ? v.literal(false) : section)) as v.GenericSchema<unknown, Output | false>
}

/** What an object with these entries becomes. */
export type Fields<Entries extends v.ObjectEntries> = v.InferOutput<v.ObjectSchema<Entries, undefined>>

/** Tells a problem of the whole that lies at `path` inside it. */
export type Report = (path: readonly PropertyKey[], message: string) => void

/**
 * An object with exactly these keys; a key that a later version knows is told apart from a misspelt one. Every field is looked
 * at, whatever is wrong with the others.
 * @param across looks at fields together; it sees those that are right, and is asked even when others are wrong; `given` has them all as
 *   they were written
 */
export function record<const Entries extends v.ObjectEntries>(
  entries: Entries,
  later: readonly string[] = [],
  across: (written: Partial<Fields<Entries>>, report: Report, given: Readonly<Record<string, unknown>>) => void = () => {},
): v.GenericSchema<unknown, Fields<Entries>> {
  return fields((object, report) => {
    const output: Record<string, unknown> = {}
    for (const key of Object.keys(object)) if (!Object.hasOwn(entries, key)) report([key], unknownKey(key, Object.keys(entries), later))
    for (const [key, entry] of Object.entries(entries)) {
      const parsed = v.safeParse(entry as v.GenericSchema, Object.hasOwn(object, key) ? object[key] : undefined)
      if (!parsed.success) reportAll(parsed.issues, [key], report)
      else if (parsed.output !== undefined) output[key] = parsed.output
    }
    across(output as Partial<Fields<Entries>>, report, object)
    return output as Fields<Entries>
  })
}

/** Tells where not exactly one of `keys` was written; what is wrong with it is told elsewhere. */
export function exactlyOne(keys: readonly string[], given: Readonly<Record<string, unknown>>, report: Report): void {
  const there = keys.filter((key) => given[key] !== undefined)
  if (there.length !== 1) report([], `expected one of ${keys.join(', ')}, got ${there.length === 0 ? 'none' : there.join(' and ')}`)
}

/** A record from free names to values, as a Map: names such as `constructor` are names like any other. */
export function mapOf<T>(
  name: v.GenericSchema<unknown, string>,
  value: v.GenericSchema<unknown, T>,
  across: (written: ReadonlyMap<string, T>, report: Report) => void = () => {},
): v.GenericSchema<unknown, ReadonlyMap<string, T>> {
  return fields((object, report) => {
    const map = new Map<string, T>()
    for (const key of Object.keys(object)) {
      const named = v.safeParse(name, key)
      const parsed = v.safeParse(value, object[key])
      if (!named.success) for (const { message } of named.issues) report([key], `name: ${message}`)
      if (parsed.success) map.set(key, parsed.output)
      else reportAll(parsed.issues, [key], report)
    }
    across(map, report)
    return map
  })
}

/** A list; every element is looked at, and `across` sees those that are right under their places in the list. */
export function listOf<T>(
  what: string,
  each: v.GenericSchema<unknown, T>,
  across: (written: ReadonlyMap<number, T>, report: Report) => void = () => {},
): v.GenericSchema<unknown, T[]> {
  return transformed((input, report) => {
    if (!Array.isArray(input)) {
      report([], `expected a list of ${what}, got ${print(input)}`)
      return []
    }
    const right = new Map<number, T>()
    for (const [index, element] of (input as unknown[]).entries()) {
      const parsed = v.safeParse(each, element)
      if (parsed.success) right.set(index, parsed.output)
      else reportAll(parsed.issues, [index], report)
    }
    across(right, report)
    return [...right.values()]
  })
}

function fields<T>(read: (object: Record<string, unknown>, report: Report) => T): v.GenericSchema<unknown, T> {
  return transformed((input, report) => {
    if (isPlainObject(input)) return read(input, report)
    report([], `expected an object, got ${print(input)}`)
    return undefined as T
  })
}

/** A schema from a function that reports what is wrong; whatever was reported, its output is not used. */
function transformed<T>(read: (input: unknown, report: Report) => T): v.GenericSchema<unknown, T> {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue }) =>
      read(dataset.value, (path, message) => {
        if (path.length === 0) addIssue({ message })
        else
          addIssue({
            message,
            path: path.map((key) => ({ type: 'unknown', origin: 'value', input: dataset.value, key, value: undefined })) as never,
          })
      }),
    ),
  ) as v.GenericSchema<unknown, T>
}

function reportAll(issues: readonly v.BaseIssue<unknown>[], at: readonly PropertyKey[], report: Report): void {
  for (const { path, message } of issues) report([...at, ...(path ?? []).map(({ key }) => key as PropertyKey)], message)
}

/** Objects written as literals or parsed from text; not class instances, arrays or functions. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

function unknownKey(key: string, known: readonly string[], later: readonly string[]): string {
  return later.includes(key) ? 'not available in this version' : unknownKeyText(key, known)
}

type Compact<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without the keys whose value is undefined. */
export function compact<T extends object>(object: T): Compact<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Compact<T>
}
