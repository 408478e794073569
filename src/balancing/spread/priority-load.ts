/** What is known of the endpoints of one priority. `healthy` and `degraded` are disjoint parts of `total`; the rest is out of use. */
export interface LevelCount {
  readonly total: number
  readonly healthy: number
  readonly degraded: number
}

/** What one priority gets, in whole percents of all calls. In `panic` its share goes to all of its endpoints. */
export interface LevelLoad {
  readonly healthy: number
  readonly degraded: number
  readonly panic: boolean
}

/** What the load goes by. */
export interface LoadSettings {
  /** 140: a level keeps its calls until less than 100 ÷ 1.4 of its endpoints are healthy. */
  readonly overprovisioningPercent: number
  /** A level with a smaller share of healthy and degraded endpoints panics, where all levels together cannot carry the load; 0 never. */
  readonly panicPercent: number
  /** A level with so many usable endpoints does not panic, whatever their share: for who looks at a part of them. Default: there is no such number. */
  readonly enough?: number
}

/**
 * How calls are spread over priorities, in Envoy's whole numbers: a level gets what its healthy endpoints carry, times the
 * overprovisioning; what is left goes to the next ones, then to degraded endpoints in the same order. All shares together are 100. Where
 * every level panics each gets a share by the number of its endpoints; where nobody may panic the last usable ones get all, and without
 * any the calls of the first level find nobody.
 */
export function priorityLoads(levels: readonly LevelCount[], settings: LoadSettings): LevelLoad[] {
  const { overprovisioningPercent, panicPercent, enough = Number.POSITIVE_INFINITY } = settings
  const carried = (usable: number, total: number): number =>
    total === 0 ? 0 : Math.min(100, Math.floor((overprovisioningPercent * usable) / total))
  const healthy = levels.map((level) => carried(level.healthy, level.total))
  const degraded = levels.map((level) => carried(level.degraded, level.total))
  const together = Math.min(100, sum(healthy) + sum(degraded))
  const panic = levels.map((level) => together < 100 && level.healthy + level.degraded < enough && panics(level, panicPercent))
  if (panic.every(Boolean)) return inTotalPanic(levels)
  if (together === 0) return withoutPanic(levels)
  const first = distribute(healthy, 100, together)
  const second = distribute(degraded, first.left, together)
  // Only what rounding left over.
  if (first.begin >= 0) first.loads[first.begin] = (first.loads[first.begin] as number) + second.left
  else second.loads[second.begin] = (second.loads[second.begin] as number) + second.left
  return levels.map((_, index) => ({
    healthy: first.loads[index] as number,
    degraded: second.loads[index] as number,
    panic: panic[index] as boolean,
  }))
}

function panics({ total, healthy, degraded }: LevelCount, panicPercent: number): boolean {
  return (healthy + degraded) * 100 < panicPercent * total || (total === 0 && panicPercent > 0)
}

/** `left` is what is not given to anybody yet; `begin` the first who can carry something, -1 without any. */
function distribute(carried: readonly number[], from: number, together: number): { loads: number[]; left: number; begin: number } {
  let left = from
  const loads = carried.map((each) => {
    const load = Math.min(left, Math.floor((each * 100) / together))
    left -= load
    return load
  })
  return { loads, left, begin: carried.findIndex((each) => each > 0) }
}

/** So few are usable that rounding leaves them nothing, or none, and panic is switched off. */
function withoutPanic(levels: readonly LevelCount[]): LevelLoad[] {
  const whole = levels.findIndex(({ healthy }) => healthy > 0)
  const taken = whole >= 0 ? whole : levels.findIndex(({ degraded }) => degraded > 0)
  return levels.map((_, index) => {
    const load = index === Math.max(0, taken) ? 100 : 0
    return whole < 0 && taken >= 0 ? { healthy: 0, degraded: load, panic: false } : { healthy: load, degraded: 0, panic: false }
  })
}

function inTotalPanic(levels: readonly LevelCount[]): LevelLoad[] {
  const all = sum(levels.map(({ total }) => total))
  const loads = levels.map(({ total }) => (all === 0 ? 0 : Math.floor((100 * total) / all)))
  const first = Math.max(
    0,
    levels.findIndex(({ total }) => total > 0),
  )
  const left = 100 - sum(loads)
  return loads.map((load, index) => ({ healthy: index === first ? load + left : load, degraded: 0, panic: true }))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
