import type { FailureKind } from './outcome.ts'
import { flagsFrom, type ResponseFlag, type ResponseFlags } from './response-flags.ts'

/** What a try that broke means. That this process has no socket left is a connection that failed, as it is to Envoy. */
const BY_KIND = {
  connect: 'UF',
  tls: 'UF',
  local: 'UF',
  reset: 'UC',
  timeout: 'UT',
  protocol: 'UPE',
  aborted: 'DC',
} as const satisfies Record<FailureKind, ResponseFlag>

/** The flags of a try: none when an answer came, whatever its status. `flag`: what is known of it beyond its kind. */
export function flagsOfTry({
  kind,
  flag,
}: {
  readonly kind: FailureKind | undefined
  readonly flag?: ResponseFlag | undefined
}): ResponseFlags {
  return flagsFrom(flag ?? (kind === undefined ? undefined : BY_KIND[kind]))
}
