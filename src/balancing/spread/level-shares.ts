import type { LevelShare } from '../../model/locality.ts'
import type { LevelState, Spread, SpreadSettings } from './spread.ts'
import { placeShareList } from './zone-routing.ts'

/** What each level gets of the calls, and why, for people. */
export function levelShares({ levels }: Spread, settings: SpreadSettings, keyed: boolean): LevelShare[] {
  const zones = settings.locality !== false && settings.locality.mode === 'zone-aware'
  return levels.map((state, index) => {
    const { level, load } = state
    const shares = keyed && zones ? undefined : state.shares
    const where = keyed && zones && state.where !== undefined ? 'zones do not count: calls go by their keys' : state.where
    return {
      priority: level.priority,
      ...(level.nearness === undefined ? {} : { nearness: level.nearness }),
      endpoints: level.total,
      healthy: level.healthy,
      degraded: level.degraded,
      sharePercent: load.healthy + load.degraded,
      degradedSharePercent: load.degraded,
      panic: load.panic,
      ...(shares === undefined || level.places === undefined ? {} : { places: placeShareList(level.places, shares) }),
      because: because(state, index === 0, settings),
      ...(where === undefined ? {} : { where }),
    }
  })
}

function because({ level, load }: LevelState, first: boolean, { panicPercent, priorities }: SpreadSettings): string {
  const { total, healthy, degraded } = level
  const of = `${healthy} of ${total} healthy${degraded === 0 ? '' : `, ${degraded} degraded`}`
  return `${of}: ${why()}`

  function why(): string {
    const share = load.healthy + load.degraded
    if (load.panic && share > 0) {
      const all = priorities.failTrafficOnPanic ? 'its calls fail (failTrafficOnPanic)' : 'all of its endpoints are used'
      return `panic below ${panicPercent} %, ${all}`
    }
    if (share === 0) return healthy + degraded === 0 ? 'nobody to send a call to' : 'the others carry everything'
    const reserve = load.degraded === 0 ? '' : `, ${load.degraded} % go to the degraded ones`
    if (first && load.healthy === 100) return 'they carry everything'
    const carried = `${priorities.overprovisioningPercent} % of their part`
    return `${first ? `they carry ${carried}, which is` : 'they take'} ${load.healthy} %${reserve}`
  }
}
