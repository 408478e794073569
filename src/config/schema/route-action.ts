import * as v from 'valibot'
import { safePattern, substitutionProblem } from '../../core/safe-pattern.ts'
import type {
  BackendSettings,
  HashSettings,
  HeaderEditSettings,
  HeaderEditsSettings,
  MirrorSettings,
  PathRewriteSettings,
  RedirectSettings,
} from '../../model/route-settings.ts'
import type { SelectionSettings } from '../../model/subsets.ts'
import { checked, compact, exactlyOne, integer, listOf, mapOf, percent, type Report, record, text } from './blocks.ts'
import { some } from './outbound-policies.ts'
import { headerName, headerValue } from './protection.ts'
import { pathText, pattern, yesOrNo } from './route-match.ts'
import { acrossSelection, selectionEntries, selectionOf } from './subsets.ts'

/** What says where a message ends, or whom it is for, is not for rules to write. */
const OWNED: Readonly<Record<string, string>> = {
  host: 'rewrite.host writes it',
  'content-length': 'it belongs to the body',
  'transfer-encoding': 'it belongs to the body',
  connection: 'it belongs to the connection',
}

const editedName = v.pipe(
  headerName,
  v.rawCheck<string>(({ dataset, addIssue }) => {
    const why = dataset.typed ? OWNED[dataset.value] : undefined
    if (why !== undefined) addIssue({ message: `${dataset.value as string} is no header for a rule to change: ${why}` })
  }),
) as v.GenericSchema<unknown, string>

const values = mapOf(editedName, headerValue)

const edits: v.GenericSchema<unknown, HeaderEditSettings> = v.pipe(
  record({ set: v.optional(values), add: v.optional(values), remove: v.optional(some('header names', editedName)) }),
  v.transform(({ set, add, remove }) =>
    Object.freeze({ set: Object.fromEntries(set ?? []), add: Object.fromEntries(add ?? []), remove: remove ?? [] }),
  ),
)

/** Changes of headers, both ways. */
export const headerEdits: v.GenericSchema<unknown, HeaderEditsSettings> = v.pipe(
  record({ request: v.optional(edits), response: v.optional(edits) }),
  v.transform((written) => compact(written) as HeaderEditsSettings),
)

/** The services that a rule leads to. */
export const backends: v.GenericSchema<unknown, BackendSettings[]> = v.pipe(
  some(
    'backends',
    v.pipe(
      record(
        { service: text(253), ...selectionEntries, weight: v.optional(integer(0, 1_000_000), 1), headers: v.optional(headerEdits) },
        [],
        acrossSelection,
      ),
      v.transform(
        ({ service, weight, headers, ...selection }): BackendSettings => ({
          service,
          weight,
          ...(headers === undefined ? {} : { headers }),
          ...selectionOf(selection as SelectionSettings),
        }),
      ),
    ) as v.GenericSchema<unknown, BackendSettings>,
  ),
  v.check((list) => list.length === 0 || list.some(({ weight }) => weight > 0), 'expected one whose weight is above 0'),
)

/** The services that get copies. */
export const mirrors: v.GenericSchema<unknown, MirrorSettings[]> = listOf(
  'mirrors',
  v.pipe(
    record({ service: text(253), ...selectionEntries, percent: v.optional(percent(), 100) }, [], acrossSelection),
    v.transform(
      ({ service, percent: share, ...selection }): MirrorSettings => ({
        service,
        percent: share,
        ...selectionOf(selection as SelectionSettings),
      }),
    ),
  ) as v.GenericSchema<unknown, MirrorSettings>,
)

const regexRewrite = record({ pattern, substitution: checkedText(8_192) }, [], ({ pattern: written, substitution }, report) => {
  const compiled = written === undefined ? undefined : safePattern(written)
  if (compiled === undefined || 'problem' in compiled || substitution === undefined) return
  const problem = substitutionProblem(substitution, compiled.groups)
  if (problem !== undefined) report(['substitution'], problem)
})

function checkedText(max: number) {
  return checked(`text of at most ${max} characters without control characters`, (input) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    typeof input === 'string' && input.length <= max && !/[\u0000-\u0020\u007f?#]/.test(input) ? input : undefined,
  )
}

/** `host` or `host:port`, as it stands in a URL. */
const authority = checked('a host such as orders.example.com or orders:8080', (input) =>
  typeof input === 'string' && /^(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?)(?::[1-9]\d{0,4})?$/i.test(input)
    ? input.toLowerCase()
    : undefined,
)

const pathEntries = { prefix: v.optional(pathText), path: v.optional(pathText), regex: v.optional(regexRewrite) }

function onePath({ prefix, path, regex }: { prefix?: unknown; path?: unknown; regex?: unknown }, report: Report): void {
  if ([prefix, path, regex].filter((each) => each !== undefined).length > 1) report([], 'prefix, path and regex exclude each other')
}

/** What the service sees in place of what the caller wrote. */
export const rewrite: v.GenericSchema<unknown, PathRewriteSettings & { readonly host?: string }> = v.pipe(
  record({ ...pathEntries, host: v.optional(authority) }, [], (_, report, given) => {
    onePath(given, report)
    if (Object.keys(given).length === 0) report([], 'expected at least one of prefix, path, regex, host')
  }),
  v.transform((written) => compact(written) as PathRewriteSettings & { readonly host?: string }),
)

const STATUSES: readonly unknown[] = [301, 302, 303, 307, 308]

/** An answer that sends the caller elsewhere. */
export const redirect: v.GenericSchema<unknown, RedirectSettings> = v.pipe(
  record(
    {
      ...pathEntries,
      scheme: v.optional(
        checked<'http' | 'https'>('http or https', (input) => (input === 'http' || input === 'https' ? input : undefined)),
      ),
      host: v.optional(authority),
      port: v.optional(integer(1, 65_535)),
      stripQuery: v.optional(yesOrNo, false),
      status: v.optional(
        checked('301, 302, 303, 307 or 308', (input) => (STATUSES.includes(input) ? (input as RedirectSettings['status']) : undefined)),
        301,
      ),
    },
    [],
    ({ port, host }, report, given) => {
      onePath(given, report)
      if (['scheme', 'host', 'port', 'prefix', 'path', 'regex'].every((key) => given[key] === undefined) && given['stripQuery'] !== true)
        report([], 'expected something that differs, or its callers come back for ever')
      if (port !== undefined && host !== undefined && /:\d+$/.test(host)) report(['port'], 'is in host already')
    },
  ),
  v.transform((written) => compact(written) as unknown as RedirectSettings),
)

/** Where the key comes from that a call is hashed by. */
export const hash: v.GenericSchema<unknown, HashSettings[]> = some(
  'sources of a key',
  v.pipe(
    record({ header: v.optional(headerName), cookie: v.optional(text(256)), query: v.optional(text(1_024)) }, [], (_, report, given) =>
      exactlyOne(['header', 'cookie', 'query'], given, report),
    ),
    v.transform((written): HashSettings => {
      const [from = 'header', name = ''] = Object.entries(written)[0] ?? []
      return { from: from as HashSettings['from'], name: name as string }
    }),
  ) as v.GenericSchema<unknown, HashSettings>,
)
