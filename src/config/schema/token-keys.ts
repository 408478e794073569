import * as v from 'valibot'
import type { JsonWebKeySet, RemoteKeysSettings } from '../../model/authentication.ts'
import { readKeys } from '../../security/jwt/key-set.ts'
import { checked, duration, isPlainObject, printType, type Report, record } from './blocks.ts'

const remoteKeys = v.pipe(
  record(
    {
      url: checked('an https URL without credentials', (input) => {
        if (typeof input !== 'string' || !URL.canParse(input)) return undefined
        const { protocol, username, password, href } = new URL(input)
        return /^https?:$/.test(protocol) && username + password === '' ? href : undefined
      }),
      refresh: v.optional(duration(), 300_000),
      keepFor: v.optional(duration(), 86_400_000),
      timeout: v.optional(duration(), 5_000),
      allowHttp: v.optional(
        checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined)),
        false,
      ),
    },
    [],
    ({ url, allowHttp, timeout }, report) => {
      if (url?.startsWith('http:') === true && allowHttp === false)
        report(['url'], 'expected https: over http anybody on the way can hand out keys of his own (allowHttp takes it all the same)')
      if (timeout !== undefined && timeout > 60_000) report(['timeout'], 'expected at most 60s: requests wait for it')
    },
  ),
  v.transform(
    ({ url, refresh, keepFor, timeout }): RemoteKeysSettings => ({
      url,
      refreshMs: refresh,
      keepForMs: keepFor,
      timeoutMs: timeout,
    }),
  ),
)

/** Key sets that are written down, as an object or as JSON; a key that cannot be used is a mistake, and nothing of it is printed. */
export const jwks = v.pipe(
  v.unknown(),
  v.rawTransform<unknown, RemoteKeysSettings | JsonWebKeySet>(({ dataset, addIssue, NEVER }) => {
    const report: Report = (path, message) =>
      addIssue({
        message,
        ...(path.length > 0 && {
          path: path.map((key) => ({ type: 'unknown', origin: 'value', input: dataset.value, key, value: undefined })) as never,
        }),
      })
    const { value } = dataset
    if (isPlainObject(value) && !Object.hasOwn(value, 'keys')) {
      const parsed = v.safeParse(remoteKeys, value)
      if (parsed.success) return parsed.output
      for (const { path, message } of parsed.issues)
        report(
          (path ?? []).map(({ key }) => key as PropertyKey),
          message,
        )
      return NEVER
    }
    const keys = writtenKeys(value, report)
    return keys ?? NEVER
  }),
) as v.GenericSchema<unknown, RemoteKeysSettings | JsonWebKeySet>

function writtenKeys(value: unknown, report: Report): JsonWebKeySet | undefined {
  const json = typeof value === 'string' ? jsonOf(value) : value
  if (!isPlainObject(json)) {
    report([], `expected { url: … }, a key set { keys: [ … ] } or its JSON text, got ${printType(value)}`)
    return undefined
  }
  try {
    const { keys, problems } = readKeys(json)
    for (const { index, problem } of problems) report(['keys', index], problem)
    if (problems.length === 0 && keys.length === 0) report(['keys'], 'expected at least one key that checks signatures')
    return json as unknown as JsonWebKeySet
  } catch (error) {
    report([], (error as Error).message)
    return undefined
  }
}

function jsonOf(written: string): unknown {
  try {
    return JSON.parse(written)
  } catch {
    return undefined
  }
}
