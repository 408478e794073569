/** How calls are spread over the places in which a service runs. Nothing of it happens without `locality` of the mesh, `weighted` apart. */
export interface LocalityOptions {
  /**
   * `zone-aware`: calls stay in our zone as far as its share of the endpoints carries its share of the callers. `weighted`: each place
   * gets its weight, less what of it is out of use. `failover`: the nearest endpoints first, the others as priorities behind them.
   * Default `zone-aware`.
   */
  mode?: 'zone-aware' | 'weighted' | 'failover'
  /** `zone-aware`: healthy endpoints of the first priority below which zones do not count, 1 or more. Default 6. */
  minEndpoints?: number
  /** `zone-aware`: all calls stay in our zone, whatever it carries, while it has so many healthy endpoints; `true`: 1. Default false. */
  forceLocalZone?: boolean | { minEndpoints: number }
  /**
   * `weighted`: a share of 1 or more by place, such as `eu`, `eu/eu-1` or `eu/eu-1/rack-7`; the longest that fits an endpoint counts. A
   * place without one gets nothing. Must be written for this mode.
   */
  weights?: Record<string, number>
  /** `failover`: the region that comes next after our own, before all others. */
  failover?: { from: string; to: string }[]
}

/** How calls spill over from priority to priority. */
export interface PriorityOptions {
  /** What healthy endpoints are taken to carry of the load of all, 100–1000: at 140 a priority keeps all calls until 71 % are left. Default 140. */
  overprovisioningPercent?: number
  /** A priority in panic fails its calls with `MESH_NO_ENDPOINT` instead of using all of its endpoints. Default false. */
  failTrafficOnPanic?: boolean
}

/** One place and its share. */
export interface PlaceWeight {
  readonly place: string
  readonly weight: number
}

export interface LocalitySettings {
  readonly mode: 'zone-aware' | 'weighted' | 'failover'
  readonly minEndpoints: number
  /** Healthy endpoints that our zone must have for it. */
  readonly forceLocalZone: number | false
  readonly weights: readonly PlaceWeight[] | undefined
  readonly failover: readonly { readonly from: string; readonly to: string }[] | undefined
}

export interface PrioritySettings {
  readonly overprovisioningPercent: number
  readonly failTrafficOnPanic: boolean
}

/** One priority of a service in `mesh.stats()` and `mesh.explain()`: what it gets of the calls now, and why. */
export interface LevelShare {
  priority: number
  /** `failover`: how near its endpoints are. */
  nearness?: Nearness
  endpoints: number
  healthy: number
  degraded: number
  /** Share of the calls, 0–100, and the part of it that goes to degraded endpoints. */
  sharePercent: number
  degradedSharePercent: number
  panic: boolean
  /** Where its calls are divided by place: the share of each in them, 0–100. */
  places?: { place: string; sharePercent: number }[]
  /** Why it gets this share of the calls, and how they are divided by place, where places count. */
  because: string
  where?: string
}

/** How near an endpoint is: what it has in common with us. */
export type Nearness = 'same place' | 'same zone' | 'same region' | 'next region' | 'elsewhere'
