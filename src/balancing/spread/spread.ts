import type { Affinity, Call } from '../../core/call.ts'
import type { Endpoint, Locality } from '../../core/endpoint.ts'
import type { Random } from '../../core/random.ts'
import type { LocalitySettings, PrioritySettings } from '../../model/locality.ts'
import type { Balancer } from '../balancer.ts'
import type { Level, Place } from './level.ts'
import type { Part } from './part.ts'
import { placeShares } from './place-weights.ts'
import { type LevelLoad, priorityLoads } from './priority-load.ts'
import { type CallerZone, routeByZone } from './zone-routing.ts'

/** How calls are spread over priorities and places; every policy of a service is such a thing. */
export interface SpreadSettings {
  readonly panicPercent: number
  readonly priorities: PrioritySettings
  readonly locality: LocalitySettings | false
}

/** Where whoever chooses stands among those he chooses from. */
export interface SpreadGround {
  /** Where this process runs. */
  readonly own: Locality
  /** Where all processes of our own service run; undefined when nobody knows. */
  callers(): readonly CallerZone[] | undefined
}

/** One level with what it gets now. */
export interface LevelState {
  readonly level: Level
  readonly load: LevelLoad
  /** Share of each of the level's places, 0–1; undefined where calls are not divided by place. */
  readonly shares: readonly number[] | undefined
  /** What places have to do with it, in words; undefined where they do not count by configuration. */
  readonly where: string | undefined
}

/** A piece of the hundred percents, from the end of the one before up to `upTo`. */
interface Share {
  readonly upTo: number
  readonly whole: Part
  /** The same endpoints by place, each up to its part of 1. */
  readonly places: { readonly upTo: readonly number[]; readonly parts: readonly Part[] } | undefined
}

/**
 * Which endpoints get which part of the calls now. Made anew when an endpoint changes; a call draws its priority, and a place in it,
 * in two steps, as in Envoy. A call with a key draws with its hash: the same key goes the same way as long as the shares stay.
 */
export class Spread {
  readonly levels: readonly LevelState[]
  private readonly settings: SpreadSettings
  private readonly random: Random
  private readonly shares: readonly Share[]

  /**
   * @param levels counted
   * @param enough a level with so many usable ones is in no panic
   */
  constructor(
    levels: readonly Level[],
    settings: SpreadSettings,
    random: Random,
    ground: Pick<SpreadGround, 'callers'>,
    enough = Number.POSITIVE_INFINITY,
  ) {
    this.settings = settings
    this.random = random
    const loads = priorityLoads(levels, { ...settings.priorities, panicPercent: settings.panicPercent, enough })
    this.levels = levels.map((level, index) => this.stateOf(level, loads[index] as LevelLoad, index, ground))
    const main = this.levels.filter(({ load }) => load.healthy > 0)
    const reserve = this.levels.filter(({ load }) => load.degraded > 0)
    let sum = 0
    const upTo = (percent: number): number => {
      sum += percent
      return sum
    }
    this.shares = [
      ...main.map((state) => this.mainShare(state, upTo(state.load.healthy))),
      ...reserve.map((state) => this.reserveShare(state, upTo(state.load.degraded))),
    ]
  }

  /** The part that gets every call; undefined where calls are divided. */
  get single(): Part | undefined {
    const [only, second] = this.shares
    return only !== undefined && second === undefined && only.places === undefined ? only.whole : undefined
  }

  /** Some level that gets calls is in panic. */
  get panic(): boolean {
    return this.levels.some(({ load }) => load.panic && load.healthy > 0)
  }

  /** Those that first tries choose among, in the order of the parts. */
  get usable(): readonly Endpoint[] {
    const weighted = this.settings.locality !== false && this.settings.locality.mode === 'weighted'
    return Object.freeze(
      this.shares.flatMap(({ whole, places }) =>
        weighted && places !== undefined ? places.parts.flatMap(({ candidates }) => candidates) : whole.candidates,
      ),
    )
  }

  /** The endpoint for a first try. */
  pick(balancer: Balancer, call: Call): Endpoint | undefined {
    const part = this.partOf(balancer, call)
    if (part === undefined) return undefined
    return part === this.shares[0]?.whole ? balancer.pick(part.candidates, call, part.members) : part.pick(balancer, call)
  }

  /** The part that a first try of `call` goes to. */
  partOf(balancer: Balancer, call: Call): Part | undefined {
    return this.partAt(balancer.affinityOf?.(call))
  }

  private partAt(key: Affinity | undefined): Part | undefined {
    const share = this.shareAt(key)
    const { locality } = this.settings
    // Were keys kept within zones, the same key would lead every zone somewhere else.
    if (share?.places === undefined || (key !== undefined && locality !== false && locality.mode === 'zone-aware')) return share?.whole
    const { upTo, parts } = share.places
    const at = key === undefined ? this.random() : key.hi / 0x1_0000_0000
    for (let index = 0; index < parts.length; index++) if (at < (upTo[index] as number)) return parts[index]
    return parts.at(-1)
  }

  /** Where a first try of such a call goes by its key; undefined without a key, or while that is not known. */
  foresee(balancer: Balancer, call: Call): Endpoint | undefined {
    const key = balancer.keyOf?.(call)
    if (key === undefined) return undefined
    const part = this.partAt(key)
    const chosen = part === this.shares[0]?.whole ? balancer : part?.known(balancer)
    return part && chosen?.foresee?.(part.candidates, call, part.members)
  }

  /** The chance of each endpoint to get a first try at `now`; undefined where `balancer` cannot tell. */
  chances(balancer: Balancer, now: number): ReadonlyMap<Endpoint, number> | undefined {
    const chances = new Map<Endpoint, number>()
    let from = 0
    for (const { upTo, whole, places } of this.shares) {
      const width = (upTo - from) / 100
      from = upTo
      for (const [index, { candidates }] of (places?.parts ?? [whole]).entries()) {
        const part = places === undefined ? 1 : (places.upTo[index] as number) - (places.upTo[index - 1] ?? 0)
        const within = balancer.shares?.(candidates, now)
        if (within === undefined) return undefined
        for (const [at, endpoint] of candidates.entries())
          chances.set(endpoint, (chances.get(endpoint) ?? 0) + width * part * (within[at] as number))
      }
    }
    return chances
  }

  /** Every part that gets calls, with the balancer that chooses in it. */
  *parts(balancer: Balancer): Generator<{ readonly part: Part; readonly balancer: Balancer }> {
    const { locality } = this.settings
    const whole = balancer.keyed === true && locality !== false && locality.mode === 'zone-aware'
    for (const [index, share] of this.shares.entries()) {
      for (const part of whole || share.places === undefined ? [share.whole] : share.places.parts) {
        yield { part, balancer: index === 0 && part === share.whole ? balancer : part.balancerLike(balancer) }
      }
    }
  }

  private shareAt(key: Affinity | undefined): Share | undefined {
    const { shares } = this
    if (shares.length < 2) return shares[0]
    // The hash modulo 100, of which 2^32 leaves 96.
    const at = key === undefined ? Math.floor(this.random() * 100) : ((key.hi % 100) * 96 + (key.lo % 100)) % 100
    for (const share of shares) if (at < share.upTo) return share
    return undefined
  }

  private stateOf(level: Level, load: LevelLoad, index: number, ground: Pick<SpreadGround, 'callers'>): LevelState {
    const { locality, priorities } = this.settings
    const { places } = level
    if (locality === false || places === undefined || load.healthy === 0) return { level, load, shares: undefined, where: undefined }
    if (load.panic) return { level, load, shares: undefined, where: 'places do not count in panic' }
    if (locality.mode === 'zone-aware') {
      const { shares, because } = routeByZone(level, locality, index === 0 ? ground.callers() : undefined)
      return { level, load, shares, where: because }
    }
    const shares = placeShares(
      places.map(({ weight, total, healthy }) => ({ weight, total, available: healthy })),
      priorities.overprovisioningPercent,
    )
    if (shares.some((share) => share > 0)) return { level, load, shares, where: 'by locality.weights, less what is out of use' }
    return { level, load, shares: undefined, where: 'no place with a weight has a healthy endpoint, so all places count' }
  }

  private mainShare({ level, load, shares }: LevelState, upTo: number): Share {
    if (load.panic) return { upTo, whole: level.chooseInPanic(this.settings.priorities.failTrafficOnPanic), places: undefined }
    const whole = level.chooseHealthy()
    return { upTo, whole, places: divided(level.places, shares, (place) => place.chooseHealthy()) }
  }

  private reserveShare({ level }: LevelState, upTo: number): Share {
    const { locality, priorities } = this.settings
    const whole = level.chooseDegraded()
    const { places } = level
    if (places === undefined || locality === false || locality.mode !== 'weighted') return { upTo, whole, places: undefined }
    const shares = placeShares(
      places.map(({ weight, total, degraded }) => ({ weight, total, available: degraded })),
      priorities.overprovisioningPercent,
    )
    const some = shares.some((share) => share > 0)
    return { upTo, whole, places: some ? divided(places, shares, (place) => place.chooseDegraded()) : undefined }
  }
}

/** The places that get something, each up to its part of 1. */
function divided(
  places: readonly Place[] | undefined,
  shares: readonly number[] | undefined,
  choose: (place: Place) => Part,
): Share['places'] {
  if (places === undefined || shares === undefined) return undefined
  let sum = 0
  const upTo: number[] = []
  const parts: Part[] = []
  for (const [index, place] of places.entries()) {
    const share = shares[index] as number
    if (share <= 0) continue
    sum += share
    upTo.push(sum)
    parts.push(choose(place))
  }
  return { upTo, parts }
}
