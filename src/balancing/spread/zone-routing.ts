import type { Endpoint, Locality } from '../../core/endpoint.ts'
import type { LocalitySettings } from '../../model/locality.ts'
import type { Level, Place } from './level.ts'
import { localityOf, sameZone } from './places.ts'
import { zoneShares } from './zone-shares.ts'

/** So many processes of our own service run there. */
export interface CallerZone {
  readonly locality: Locality
  readonly count: number
}

/** What zone-aware routing makes of a level: the share of each of its places, 0–1, or why there is none; and that in words. */
export interface ZoneRouting {
  readonly shares: readonly number[] | undefined
  readonly because: string
}

/**
 * Whether the calls of a level stay in our zone, and how many. Where our own service is not known its callers are taken to be spread
 * evenly over the zones that the called service is in: then each zone gets exactly what it has of the endpoints, and whoever is wrong
 * about the callers by less than the overprovisioning overloads nobody.
 * @param callers where our own service runs, this process included; undefined when nobody knows
 */
export function routeByZone(
  { places = [], healthy }: Level,
  { minEndpoints, forceLocalZone }: Pick<LocalitySettings, 'minEndpoints' | 'forceLocalZone'>,
  callers: readonly CallerZone[] | undefined,
): ZoneRouting {
  const own = places.findIndex((place) => place.own)
  const ours = places[own]
  if (ours === undefined) return off('no endpoint is in our zone')
  if (places.length < 2) return off('all endpoints are in our zone')
  if (forceLocalZone !== false && ours.healthy >= forceLocalZone) {
    return { shares: places.map((place) => (place === ours ? 1 : 0)), because: `all calls stay in ${ours.text} (forceLocalZone)` }
  }
  if (ours.healthy === 0) return off(`no endpoint of our zone (${ours.text}) is healthy`)
  if (healthy < minEndpoints) return off(`${healthy} healthy endpoints, fewer than locality.minEndpoints (${minEndpoints})`)
  const counted = callers && places.map(({ members }) => callersNear(members[0] as Endpoint, callers))
  const known = counted !== undefined && (counted[own] as number) > 0
  if (known && counted.filter((count) => count > 0).length < 2) return off('our own service runs in one zone only')
  const zones = places.map((place, index) => ({
    capacity: place.capacity,
    callers: known ? (counted[index] as number) : place.text === '' ? 0 : 1,
  }))
  const { local, shares } = zoneShares(zones, own)
  const spread = known ? 'by where our own service runs' : 'with callers taken to be spread evenly over the zones'
  return { shares, because: `${local / 100} % of the calls stay in ${ours.text}, ${spread}` }
}

function off(why: string): ZoneRouting {
  return { shares: undefined, because: `zones do not count: ${why}` }
}

function callersNear({ spec }: Endpoint, callers: readonly CallerZone[]): number {
  const zone = localityOf(spec)
  return callers.reduce((sum, { locality, count }) => (sameZone(locality, zone) ? sum + count : sum), 0)
}

/** The places of a level with their shares in percent, for whoever looks. */
export function placeShareList(places: readonly Place[], shares: readonly number[]): { place: string; sharePercent: number }[] {
  return places.map(({ text }, index) => ({
    place: text === '' ? 'elsewhere' : text,
    sharePercent: Math.round((shares[index] as number) * 10_000) / 100,
  }))
}
