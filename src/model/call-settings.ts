import type { RequestContext } from './request-context.ts'

/** Per-call wishes, checked, and what holds around the call. It is what a mesh keeps in its AsyncLocalStorage. */
export interface CallSettings {
  readonly timeoutMs: number | undefined
  readonly idempotent: boolean | undefined
  readonly hashKey: string | undefined
  readonly priority: 'low' | 'normal' | 'high'
  readonly retries: number | undefined
  /** What the metadata of endpoints must have, and a text that is the same for the same. */
  readonly metadata: { readonly key: string; readonly wanted: Readonly<Record<string, string>> } | undefined
  /** Clock time that no deadline goes beyond; Infinity for none. */
  readonly notAfter: number
  /** The request that came in and beneath which the call is made. */
  readonly within: RequestContext | undefined
  /** The call outlives that request: neither its deadline nor its end concern it. */
  readonly detached: boolean
}

export const NO_SETTINGS: CallSettings = Object.freeze({
  timeoutMs: undefined,
  idempotent: undefined,
  hashKey: undefined,
  priority: 'normal',
  retries: undefined,
  metadata: undefined,
  notAfter: Number.POSITIVE_INFINITY,
  within: undefined,
  detached: false,
})
