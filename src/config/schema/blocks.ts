import * as v from 'valibot'
import { parseDuration } from '../../core/duration.ts'

/** A value for an error text: short, and never the content of something secret. */
export function print(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `text of ${value.length} characters` : JSON.stringify(value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** A schema that turns any input into `T`, or says what it expected. */
export function checked<T>(expectation: string, read: (input: unknown) => T | undefined): v.GenericSchema<unknown, T> {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      const output = read(dataset.value)
      if (output !== undefined) return output
      addIssue({ message: `expected ${expectation}, got ${print(dataset.value)}` })
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

export function integer(from: number, to: number): v.GenericSchema<unknown, number> {
  return checked(`an integer from ${from} to ${to}`, (input) =>
    Number.isInteger(input) && (input as number) >= from && (input as number) <= to ? (input as number) : undefined,
  )
}

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

/** An object with exactly these keys; a key that a later version knows is told apart from a misspelt one. */
export function record<const Entries extends v.ObjectEntries>(entries: Entries, later: readonly string[] = []) {
  return v.pipe(
    v.custom<Record<string, unknown>>(isPlainObject, (issue) => `expected an object, got ${print(issue.input)}`),
    v.rawCheck<Record<string, unknown>>(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      for (const key of Object.keys(dataset.value)) {
        if (Object.hasOwn(entries, key)) continue
        addIssue({ message: unknownKey(key, Object.keys(entries), later), path: [pathItem(dataset.value, key)] })
      }
    }),
    v.object(entries),
  )
}

/** A record from free names to values, as a Map: names such as `constructor` are names like any other. */
export function mapOf<T>(
  name: v.GenericSchema<unknown, string>,
  value: v.GenericSchema<unknown, T>,
): v.GenericSchema<unknown, ReadonlyMap<string, T>> {
  return v.pipe(
    v.custom<Record<string, unknown>>(isPlainObject, (issue) => `expected an object, got ${print(issue.input)}`),
    v.rawTransform<Record<string, unknown>, ReadonlyMap<string, T>>(({ dataset, addIssue }) => {
      const map = new Map<string, T>()
      for (const key of Object.keys(dataset.value)) {
        const item = pathItem(dataset.value, key)
        const named = v.safeParse(name, key)
        const parsed = v.safeParse(value, dataset.value[key])
        if (!named.success) for (const { message } of named.issues) addIssue({ message: `name: ${message}`, path: [item] })
        if (parsed.success) map.set(key, parsed.output)
        else
          for (const { message, path } of parsed.issues)
            addIssue({ message, path: [item, ...((path ?? []) as v.IssuePathItem[])] as never })
      }
      return map
    }),
  ) as unknown as v.GenericSchema<unknown, ReadonlyMap<string, T>>
}

/** Objects written as literals or parsed from text; not class instances, arrays or functions. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

function pathItem(input: Record<string, unknown>, key: string): v.ObjectPathItem {
  return { type: 'object', origin: 'value', input, key, value: input[key] }
}

function unknownKey(key: string, known: readonly string[], later: readonly string[]): string {
  if (later.includes(key)) return 'not available in this version'
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(key.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return near !== undefined && near.distance <= Math.max(1, Math.floor(key.length / 3))
    ? `unknown key, did you mean "${near.candidate}"?`
    : 'unknown key'
}

/** Levenshtein distance; keys are short, so the plain table will do. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
