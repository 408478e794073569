import { localityOf, placeText } from '../balancing/spread/places.ts'
import type { SpreadGround } from '../balancing/spread/spread.ts'
import type { CallerZone } from '../balancing/spread/zone-routing.ts'
import type { Locality } from '../core/endpoint.ts'
import type { WatchedSet } from './watched-set.ts'

/**
 * Where we are, and where our fellows are: the other processes of our own service, which call what we call. They are known when our own
 * service is in the configuration like any other.
 */
export class CallerZones implements SpreadGround {
  readonly own: Locality
  private readonly changed: () => void
  private set: WatchedSet | undefined = undefined
  private known = -1
  private zones: readonly CallerZone[] | undefined = undefined

  /** @param changed called when our own service changed; by then they are not worked out yet */
  constructor(own: Locality, changed: () => void) {
    this.own = own
    this.changed = changed
  }

  /** From here on the endpoints of `set` are those of our own service. */
  follow(set: WatchedSet): void {
    this.set = set
    set.onChange = this.changed
    this.changed()
  }

  callers(): readonly CallerZone[] | undefined {
    const { set } = this
    if (set === undefined) return undefined
    if (set.changes !== this.known) {
      this.known = set.changes
      this.zones = count(set)
    }
    return this.zones
  }
}

function count({ all }: WatchedSet): readonly CallerZone[] | undefined {
  const found = new Map<string, { locality: Locality; count: number }>()
  for (const { out, spec } of all) {
    if (out) continue
    const locality = localityOf(spec)
    const text = placeText(locality)
    const zone = found.get(text)
    if (zone === undefined) found.set(text, { locality, count: 1 })
    else zone.count++
  }
  return found.size === 0 ? undefined : [...found.values()]
}
