import { nearest } from '../../core/problem.ts'
import type { NamedSubsetSettings, SelectionStep } from '../../model/subsets.ts'
import type { Report } from './blocks.ts'
import type { ParsedPolicy } from './policy.ts'
import type { ParsedRoute } from './routes.ts'
import type { ParsedService } from './service.ts'
import { backendsIn } from './strange-backends.ts'

/** What is looked at of the options. */
interface Written {
  readonly services?: ReadonlyMap<string, ParsedService> | undefined
  readonly defaults?: ParsedPolicy | undefined
  readonly routes?: readonly ParsedRoute[] | undefined
  readonly sources?: readonly unknown[] | undefined
  readonly namespace?: string | undefined
}

type Subsets = Readonly<Record<string, NamedSubsetSettings>>

/** Names of subsets that their service does not have, where all of it is in the options; with sources one of them may name it later. */
export function strangeSubsets(
  { services = new Map(), defaults = {}, routes = [], sources = [], namespace }: Written,
  report: Report,
): void {
  if (sources.length > 0) return
  const common = defaults.subsets || {}
  const tell = (path: readonly PropertyKey[], name: string, known: readonly string[], where: string): void => {
    const near = nearest(name, known)
    if (!known.includes(name))
      report(path, `${JSON.stringify(name)} is no subset ${where}${near === undefined ? '' : `, did you mean ${JSON.stringify(near)}?`}`)
  }
  const tellSteps = (path: readonly PropertyKey[], steps: readonly SelectionStep[], known: readonly string[], where: string): void => {
    for (const [at, { subset }] of steps.entries()) if (subset !== undefined) tell([...path, at], subset, known, where)
  }
  const tellAll = (path: readonly PropertyKey[], subsets: Subsets, known: readonly string[], where: string): void => {
    for (const [name, { otherwise }] of Object.entries(subsets)) tellSteps([...path, 'subsets', name, 'otherwise'], otherwise, known, where)
  }
  const named = new Map<string, readonly string[]>()
  for (const [name, { namespace: own = namespace, subsets }] of services) {
    const known = subsets === false ? [] : Object.keys({ ...common, ...subsets })
    named.set(own === namespace ? name : `${name}.${own}`, known)
    tellAll(['services', name], subsets || {}, known, 'of this service')
  }
  tellAll(['defaults'], common, [...Object.keys(common), ...[...named.values()].flat()], 'of any service')
  for (const { path, to } of backendsIn(routes)) {
    const { service, subset, otherwise = [] } = to
    const known = named.get(service)
    // That there is no such service is told already.
    if (known === undefined) continue
    if (subset !== undefined) tell([...path, 'subset'], subset, known, `of ${service}`)
    tellSteps([...path, 'otherwise'], otherwise, known, `of ${service}`)
  }
}
