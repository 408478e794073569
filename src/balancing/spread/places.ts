import type { EndpointSpec, Locality } from '../../core/endpoint.ts'
import type { LocalitySettings, Nearness, PlaceWeight } from '../../model/locality.ts'

/** Where an endpoint is. A source of somebody else may have left it out. */
export function localityOf({ locality }: EndpointSpec): Locality {
  return (locality as Locality | null | undefined) ?? NOWHERE
}

/** A locality in words, from the large to the small: `eu/eu-1/rack-7`. Empty where nothing is known. */
export function placeText({ region, zone, subZone }: Locality): string {
  return [region, zone, subZone].filter((part) => part !== undefined).join('/')
}

/** Whether both are in one zone. A region that somebody left out contradicts nobody. */
export function sameZone(a: Locality, b: Locality): boolean {
  return a.zone !== undefined && a.zone === b.zone && (a.region === undefined || b.region === undefined || a.region === b.region)
}

/** The place among those with a weight that fits best, the longest; undefined when none does. */
export function weightOf(locality: Locality, weights: readonly PlaceWeight[]): PlaceWeight | undefined {
  const text = `${placeText(locality)}/`
  let best: PlaceWeight | undefined
  for (const each of weights) {
    if (text.startsWith(`${each.place}/`) && (best === undefined || each.place.length > best.place.length)) best = each
  }
  return best
}

/** How near something at `locality` is to us, as Istio orders localities; `to` of a `failover` from our region goes before the rest. */
export function nearness(locality: Locality, own: Locality, failover: LocalitySettings['failover']): Nearness {
  if (sameZone(locality, own)) return locality.subZone === own.subZone ? 'same place' : 'same zone'
  if (own.region !== undefined && locality.region === own.region) return 'same region'
  return failover?.some(({ from, to }) => from === own.region && to === locality.region) === true ? 'next region' : 'elsewhere'
}

/** From near to far. */
export const NEARNESS = ['same place', 'same zone', 'same region', 'next region', 'elsewhere'] as const satisfies readonly Nearness[]

const NOWHERE: Locality = Object.freeze({})
