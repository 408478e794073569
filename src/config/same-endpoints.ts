import { isDeepStrictEqual } from '../core/deep-equal.ts'
import type { EndpointSpec } from '../core/endpoint.ts'

/**
 * Whether two lists name the same endpoints in the same order. Registries repeat 100,000 endpoints that did not change, which
 * a general comparison looks at for seconds; this one reads the fields that there are and ends at the first that differs.
 */
export function sameEndpoints(a: readonly EndpointSpec[], b: readonly EndpointSpec[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (!sameEndpoint(a[index] as EndpointSpec, b[index] as EndpointSpec)) return false
  return true
}

function sameEndpoint(a: EndpointSpec, b: EndpointSpec): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.address === b.address &&
      a.host === b.host &&
      a.port === b.port &&
      a.weight === b.weight &&
      a.priority === b.priority &&
      sameRecord(a.locality, b.locality) &&
      sameRecord(a.metadata, b.metadata))
  )
}

/** Mostly both are empty, or the same object. A source of somebody else may have put anything here. */
function sameRecord(a: unknown, b: unknown): boolean {
  return a === b || (isEmpty(a) && isEmpty(b)) || isDeepStrictEqual(a, b)
}

function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  for (const _ in value) return false
  return true
}
