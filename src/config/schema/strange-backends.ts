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
  for (const [index, { rules }] of routes.entries()) {
    for (const [place, { backends = [], mirror }] of rules.entries()) {
      for (const [key, list] of [
        ['backends', backends],
        ['mirror', mirror],
      ] as const) {
        for (const [at, { service }] of list.entries()) {
          if (known.has(service)) continue
          const near = nearest(service, [...known])
          const hint = near === undefined ? '' : `, did you mean ${JSON.stringify(near)}?`
          report(['routes', index, 'rules', place, key, at, 'service'], `${JSON.stringify(service)} is no service of these options${hint}`)
        }
      }
    }
  }
}
