import * as v from 'valibot'
import { rulePath } from '../../security/canonical/rule-path.ts'
import { checked, isPlainObject, listOf, printType, record, text } from './blocks.ts'

/** A list of nothing would match nothing, which nobody means. */
export function some<T>(what: string, each: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T[]> {
  return v.pipe(
    listOf(what, each),
    v.check((list) => list.length > 0, 'expected at least one'),
  )
}

/** What is required; undefined providers are all of them. */
export type Requirement = { readonly how: 'any' | 'all' | 'optional'; readonly providers: readonly string[] | undefined }

const named = record(
  { any: v.optional(some('providers', text(64))), all: v.optional(some('providers', text(64))) },
  [],
  ({ any, all }, report) => {
    if ((any === undefined) === (all === undefined)) report([], 'expected one of any, all')
  },
)

const requirement = v.pipe(
  v.unknown(),
  v.rawTransform<unknown, Requirement>(({ dataset: { value }, addIssue, NEVER }) => {
    if (value === 'any' || value === 'all' || value === 'optional') return { how: value, providers: undefined }
    if (!isPlainObject(value)) {
      addIssue({ message: `expected any, all, optional, { any: [ … ] } or { all: [ … ] }, got ${printType(value)}` })
      return NEVER
    }
    const parsed = v.safeParse(named, value)
    if (parsed.success) return { how: parsed.output.any === undefined ? 'all' : 'any', providers: parsed.output.any ?? parsed.output.all }
    for (const { path, message } of parsed.issues) addIssue(path === undefined ? { message } : { message, path: path as never })
    return NEVER
  }),
) as v.GenericSchema<unknown, Requirement>

const path = checked("a path such as '/healthz', or '/public/*'", (input): { path: string; below: boolean } | undefined => {
  if (typeof input !== 'string' || !input.startsWith('/') || input.length > 2_048 || /[?#]|\*(?!$)|[^/]\*$/.test(input)) return undefined
  const below = input.endsWith('/*')
  const written = rulePath(below ? input.slice(0, -1) : input)
  if (written === undefined) return undefined
  // `/public/*` is everything below, and `/public` itself is not.
  return Object.freeze({ path: written, below })
})

const host = checked("a host such as 'api.example.com', or '*.example.com'", (input): { host: string; below: boolean } | undefined => {
  if (typeof input !== 'string' || !/^(?:\*\.)?[\w.:[\]-]{1,253}$/.test(input)) return undefined
  const below = input.startsWith('*.')
  return Object.freeze({ host: (below ? input.slice(1) : input).toLowerCase().replace(/\.$/, ''), below })
})

const method = checked('a method such as GET', (input) =>
  typeof input === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/.test(input) ? input.toUpperCase() : undefined,
)

const rule = record({
  paths: v.optional(some('paths', path)),
  hosts: v.optional(some('hosts', host)),
  methods: v.optional(some('methods', method)),
  require: requirement,
})

const rules = listOf('rules', rule)

/** One rule, checked. */
export type ParsedTokenRule = v.InferOutput<typeof rule>

/** `require: …`: one requirement for every request, or rules. */
export const requirements = v.pipe(
  v.unknown(),
  v.rawTransform<unknown, Requirement | ParsedTokenRule[]>(({ dataset: { value }, addIssue, NEVER }) => {
    const parsed = v.safeParse(Array.isArray(value) ? (rules as v.GenericSchema) : (requirement as v.GenericSchema), value)
    if (parsed.success) return parsed.output as never
    for (const { path: at, message } of parsed.issues) addIssue(at === undefined ? { message } : { message, path: at as never })
    return NEVER
  }),
) as v.GenericSchema<unknown, Requirement | ParsedTokenRule[]>
