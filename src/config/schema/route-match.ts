import * as v from 'valibot'
import { safePattern } from '../../core/safe-pattern.ts'
import type { HeaderMatchSettings, MatchSettings, PathSettings, QueryMatchSettings, TextSettings } from '../../model/route-settings.ts'
import { pathTemplate } from '../../routing/path-template.ts'
import { checked, compact, exactlyOne, listOf, percent, print, type Report, record, text } from './blocks.ts'
import { method, some } from './outbound-policies.ts'
import { headerName } from './protection.ts'

/** Yes or no. */
export const yesOrNo = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

/** A pattern in RE2 syntax. */
export const pattern: v.GenericSchema<unknown, string> = v.pipe(
  text(65_536),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const compiled = safePattern(dataset.value)
    if ('problem' in compiled) addIssue({ message: `${print(dataset.value)} is ${compiled.problem}` })
  }),
)

/** What is compared; an empty text is one for `exact` only. */
const part = text(8_192)
const whole = checked('text of at most 8192 characters', (input) =>
  typeof input === 'string' && input.length <= 8_192 ? input : undefined,
)

const textEntries = {
  exact: v.optional(whole),
  prefix: v.optional(part),
  suffix: v.optional(part),
  contains: v.optional(part),
  regex: v.optional(pattern),
  ignoreCase: v.optional(yesOrNo),
}

const KINDS = ['exact', 'prefix', 'suffix', 'contains', 'regex'] as const

type WrittenText = { readonly [Kind in (typeof KINDS)[number]]?: string | undefined } & { readonly ignoreCase?: boolean | undefined }

function textOf(written: WrittenText): TextSettings | undefined {
  const kind = KINDS.find((each) => written[each] !== undefined)
  return kind === undefined ? undefined : { kind, value: written[kind] as string, ignoreCase: written.ignoreCase ?? false }
}

/** Exactly one of several ways. */
function oneWay(keys: readonly string[]) {
  return (written: object, report: Report, given: Readonly<Record<string, unknown>>): void => {
    exactlyOne(keys, given, report)
    const { ignoreCase, regex } = written as WrittenText
    if (ignoreCase === true && regex !== undefined) report(['ignoreCase'], 'goes not with regex, where (?i) says it')
  }
}

const wholeNumber = checked('a whole number', (input) => (Number.isSafeInteger(input) ? (input as number) : undefined))

const header: v.GenericSchema<unknown, HeaderMatchSettings> = v.pipe(
  record(
    {
      name: headerName,
      ...textEntries,
      range: v.optional(
        record({ start: wholeNumber, end: wholeNumber }, [], ({ start, end }, report) => {
          if (start !== undefined && end !== undefined && end <= start) report(['end'], `expected more than start (${start}), got ${end}`)
        }),
      ),
      present: v.optional(yesOrNo),
      invert: v.optional(yesOrNo, false),
      missingAsEmpty: v.optional(yesOrNo, false),
    },
    [],
    oneWay([...KINDS, 'range', 'present']),
  ),
  v.transform((written) => {
    const { name, range, present, invert, missingAsEmpty } = written
    return { name, ...compact({ text: textOf(written), range, present }), invert, missingAsEmpty } as HeaderMatchSettings
  }),
)

const parameter: v.GenericSchema<unknown, QueryMatchSettings> = v.pipe(
  record({ name: text(1_024), ...textEntries, present: v.optional(yesOrNo) }, [], oneWay([...KINDS, 'present'])),
  v.transform((written) => {
    const { name, present } = written
    return { name, ...compact({ text: textOf(written), present }) } as QueryMatchSettings
  }),
)

/** A path, or the beginning of one, as it goes on the wire. */
export const pathText = checked('a path that begins with / and has no query', (input) =>
  typeof input === 'string' && /^\/[^?#\s]{0,8191}$/.test(input) ? input : undefined,
)

const template = v.pipe(
  pathText,
  v.rawCheck<string>(({ dataset, addIssue }) => {
    const read = dataset.typed ? pathTemplate(dataset.value) : {}
    if ('problem' in read) addIssue({ message: `${print(dataset.value)} ${read.problem}` })
  }),
) as v.GenericSchema<unknown, string>

const separated = v.pipe(
  pathText,
  v.check((written) => !written.endsWith('/'), 'expected no / at its end: it stands between whole segments'),
)

const PATHS = ['exact', 'prefix', 'pathSeparatedPrefix', 'regex', 'template'] as const

const path: v.GenericSchema<unknown, PathSettings> = v.pipe(
  record(
    {
      exact: v.optional(pathText),
      prefix: v.optional(pathText),
      pathSeparatedPrefix: v.optional(separated as v.GenericSchema<unknown, string>),
      regex: v.optional(pattern),
      template: v.optional(template),
    },
    [],
    oneWay(PATHS),
  ),
  v.transform((written) => {
    const kind = PATHS.find((each) => written[each] !== undefined) ?? 'exact'
    return { kind, value: written[kind] ?? '' }
  }),
)

/** One match of a rule. */
export const match: v.GenericSchema<unknown, MatchSettings> = v.pipe(
  record(
    {
      path: v.optional(path),
      headers: v.optional(listOf('conditions on headers', header), []),
      query: v.optional(listOf('conditions on parameters', parameter), []),
      method: v.optional(method),
      methods: v.optional(some('methods', method)),
      fraction: v.optional(percent()),
    },
    [],
    ({ method: one, methods }, report) => {
      if (one !== undefined && methods !== undefined) report([], 'method and methods exclude each other')
    },
  ),
  v.transform(
    ({ path: where, headers, query, method: one, methods, fraction }) =>
      ({
        ...compact({ path: where, methods: methods ?? (one === undefined ? undefined : [one]), fraction }),
        headers,
        query,
      }) as MatchSettings,
  ),
)
