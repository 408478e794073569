import type { ParsedAuthorizationPolicy } from '../schema/authorization.ts'
import type { ParsedRoute } from '../schema/routes.ts'
import type { Written } from '../short-form.ts'
import type { FileDocument } from './yaml-documents.ts'

/** Where everything that files say was written. */
export interface WrittenPlaces {
  /** By the names of services. */
  readonly services: ReadonlyMap<string, Written>
  readonly routes: ReadonlyMap<ParsedRoute, Written>
  readonly authorization: ReadonlyMap<ParsedAuthorizationPolicy, Written>
}

/** Where a service stands, and each of its keys. Places are texts, so that nothing of the document is held for them. */
export function writtenService(document: FileDocument, name: string, service: unknown): Written {
  const path = ['services', name]
  const keys = typeof service === 'object' && service !== null ? Object.keys(service) : []
  return writtenAt(document, path, Object.fromEntries(keys.map((key) => [key, [...path, key]])))
}

/** Where the route at `index` of its document stands, and each of its rules. */
export function writtenRoute(document: FileDocument, index: number, { rules }: ParsedRoute): Written {
  const path = ['routes', index]
  return writtenAt(document, path, Object.fromEntries(rules.map(({ name }, at) => [name, [...path, 'rules', at]])))
}

/** Where the policy at `index` of its document stands, and each of its rules. */
export function writtenPolicy(document: FileDocument, index: number, { policy }: ParsedAuthorizationPolicy): Written {
  const path = ['authorization', index]
  return writtenAt(document, path, Object.fromEntries((policy.rules ?? []).map((_, at) => [`rules[${at}]`, [...path, 'rules', at]])))
}

function writtenAt(document: FileDocument, path: readonly PropertyKey[], parts: Readonly<Record<string, PropertyKey[]>>): Written {
  const placeOf = (of: readonly PropertyKey[]): string => {
    const { line, column } = document.positionOf(of)
    return `${document.file}:${line}:${column}`
  }
  return { place: placeOf(path), places: Object.fromEntries(Object.entries(parts).map(([name, of]) => [name, placeOf(of)])) }
}
