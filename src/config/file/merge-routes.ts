import { print } from '../schema/blocks.ts'
import { check } from '../schema/problems.ts'
import { acrossRoutes, type ParsedRoute, route } from '../schema/routes.ts'
import type { Written } from '../short-form.ts'
import { writtenRoute } from './written-places.ts'
import type { FileDocument } from './yaml-documents.ts'

/** Tells a problem of a document. */
type Tell = (document: FileDocument, path: readonly PropertyKey[], message: string) => void

/** The `routes` of several documents: one list, in the order of the documents; each route remembers where it was written. */
export class MergedRoutes {
  private readonly written: { readonly document: FileDocument; readonly index: number; readonly value: unknown }[] = []

  add(document: FileDocument, value: unknown, tell: Tell): void {
    if (!Array.isArray(value)) tell(document, ['routes'], `expected a list of routes, got ${print(value)}`)
    else for (const [index, each] of (value as unknown[]).entries()) this.written.push({ document, index, value: each })
  }

  /** Where each that is right stands; filled by {@link check}. */
  readonly places = new Map<ParsedRoute, Written>()

  /** As they were written. */
  get values(): readonly unknown[] {
    return this.written.map(({ value }) => value)
  }

  /** Every route that is right, after every problem was told. */
  check(tell: Tell): readonly ParsedRoute[] {
    const right: [number, ParsedRoute][] = []
    const report = (place: number, path: readonly PropertyKey[], message: string): void => {
      const { document, index } = this.written[place] as (typeof this.written)[number]
      tell(document, ['routes', index, ...path], message)
    }
    for (const [place, { value, document, index }] of this.written.entries()) {
      const checked = check(route, value)
      if ('output' in checked) {
        right.push([place, checked.output])
        this.places.set(checked.output, writtenRoute(document, index, checked.output))
      } else for (const { path, message } of checked.problems) report(place, path, message)
    }
    acrossRoutes(right, ([place, ...path], message) => report(place as number, path, message))
    return right.map(([, each]) => each)
  }
}
