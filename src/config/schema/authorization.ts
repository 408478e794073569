import * as v from 'valibot'
import type { AuthorizationPolicyOptions } from '../../model/authorization.ts'
import { readPolicy, rememberParsed } from '../../security/authorization/policy.ts'
import { listOf, type Report } from './blocks.ts'
import { namespaceName } from './service.ts'

/** One policy of `authorization`, checked. */
export interface ParsedAuthorizationPolicy {
  readonly name: string
  /** Undefined: that of whoever holds it. */
  readonly namespace: string | undefined
  readonly policy: AuthorizationPolicyOptions
}

/** Only for reading: which namespace it is makes no policy right or wrong. */
const SOME_NAMESPACE = 'default'

/** One of them. */
export const authorizationPolicy = v.pipe(
  v.unknown(),
  v.rawTransform<unknown, ParsedAuthorizationPolicy>(({ dataset: { value }, addIssue, NEVER }) => {
    const tell = (path: readonly PropertyKey[], message: string): void => {
      const place = path.map((key) => ({ type: 'unknown', origin: 'value', input: value, key, value: undefined }))
      addIssue(place.length === 0 ? { message } : { message, path: place as never })
    }
    const parsed = readPolicy(value, SOME_NAMESPACE)
    const { namespace } = (value ?? {}) as { namespace?: unknown }
    const named = v.safeParse(v.optional(namespaceName), namespace)
    for (const { path, message } of 'problems' in parsed ? parsed.problems : []) if (path[0] !== 'namespace') tell(path, message)
    for (const { message } of named.issues ?? []) tell(['namespace'], message)
    if ('problems' in parsed || !named.success) return NEVER
    rememberParsed(value as object, parsed)
    return { name: parsed.name, namespace: named.output, policy: deepFreeze(value as AuthorizationPolicyOptions) }
  }),
) as v.GenericSchema<unknown, ParsedAuthorizationPolicy>

/** `inbound.authorization: [ … ]` of the options, and `authorization: [ … ]` of a document; each name once in its namespace. */
export const authorizationPolicies = listOf('authorization policies', authorizationPolicy, acrossAuthorization)

/** Tells names that are there twice. */
export function acrossAuthorization(written: ReadonlyMap<number, ParsedAuthorizationPolicy>, report: Report): void {
  const seen = new Map<string, { readonly index: number; readonly namespace: string | undefined }[]>()
  for (const [index, { name, namespace }] of written) {
    const former = seen.get(name) ?? []
    // Where one says nothing, nobody here knows that they differ.
    const same = former.find((each) => each.namespace === namespace || each.namespace === undefined || namespace === undefined)
    if (same !== undefined) report([index, 'name'], `${name} is already the name of number ${same.index}`)
    seen.set(name, [...former, { index, namespace }])
  }
}

/** What was checked stays as it was: the copy is nobody else's, and the snapshot shows it. */
function deepFreeze<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const each of Object.values(value)) if (typeof each === 'object' && each !== null) deepFreeze(each as object)
  return value
}
