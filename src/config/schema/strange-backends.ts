import { nearest } from '../../core/problem.ts'
import type { Report } from './blocks.ts'
import type { ParsedRoute } from './routes.ts'
import type { ParsedService } from './service.ts'

/** What is looked at of the options. */
interface Written {
  readonly services?: ReadonlyMap<string, ParsedService> | undefined
  readonly routes?: readonly ParsedRoute[] | undefined
  readonly sources?: readonly unknown[] | undefined
  readonly namespace?: string | undefined
}

/** Backends of routes that no service answers to, where all services are in the options; with sources one of them may name it later. */
export function strangeBackends({ services = new Map(), routes = [], sources = [], namespace }: Written, report: Report): void {
  if (sources.length > 0) return
  const known = new Set<string>()
  for (const [name, service] of services) {
    const own = (service.namespace ?? namespace) === namespace
    known.add(own ? name : `${name}.${service.namespace}`)
  }
  for (const { path, to } of backendsIn(routes)) {
    if (known.has(to.service)) continue
    const near = nearest(to.service, [...known])
    const hint = near === undefined ? '' : `, did you mean ${JSON.stringify(near)}?`
    report([...path, 'service'], `${JSON.stringify(to.service)} is no service of these options${hint}`)
  }
}

/** Wherever routes send calls or copies of them, and where that is written. */
export function* backendsIn<To, Copy>(
  routes: readonly { readonly rules: readonly { readonly backends?: readonly To[]; readonly mirror: readonly Copy[] }[] }[],
): Generator<{ readonly path: readonly (string | number)[]; readonly to: To | Copy }> {
  for (const [index, { rules }] of routes.entries()) {
    for (const [place, { backends = [], mirror }] of rules.entries()) {
      const path = ['routes', index, 'rules', place]
      for (const [at, to] of backends.entries()) yield { path: [...path, 'backends', at], to }
      for (const [at, to] of mirror.entries()) yield { path: [...path, 'mirror', at], to }
    }
  }
}
