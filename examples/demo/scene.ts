import type { Mesh, ServiceStats } from 'inmesh'
import type { Service } from './fleet.ts'
import type { Traffic } from './traffic.ts'

const RATE_WINDOW_MS = 1_000
const TIMELINE_STEP_MS = 500

/** One endpoint as the view shows it. Rates are tries per second over the last second. */
export interface Row {
  name: string
  address: string
  ejected: boolean
  ejectedForMs: number
  rate: number
  failing: number
  trouble: string | undefined
  /** Rates of the past, one for each half second, the newest last. */
  timeline: readonly number[]
}

/** Everything on screen at one moment. */
export interface Scene {
  elapsedMs: number
  heading: string
  rows: readonly Row[]
  sent: number
  lost: number
  retries: number
  breaker: string
  p50: number
  p99: number
}

interface Sample {
  at: number
  stats: ServiceStats
}

/** Looks at the mesh from outside, through `mesh.stats()`, and remembers enough to say how fast things go. */
export class Observer {
  heading = ''
  readonly trouble = new Map<Service, string | undefined>()
  private readonly mesh: Mesh
  private readonly traffic: Traffic
  private readonly services: readonly Service[]
  private readonly startedAt = performance.now()
  private samples: Sample[] = []
  private readonly timelines = new Map<Service, number[]>()
  private timelineAt = 0

  constructor(mesh: Mesh, traffic: Traffic, services: readonly Service[]) {
    this.mesh = mesh
    this.traffic = traffic
    this.services = services
    this.samples.push({ at: this.startedAt, stats: this.stats() })
  }

  get elapsedMs(): number {
    return performance.now() - this.startedAt
  }

  look(): Scene {
    const at = performance.now()
    const stats = this.stats()
    this.samples.push({ at, stats })
    while (this.samples.length > 2 && (this.samples[1] as Sample).at < at - RATE_WINDOW_MS) this.samples.shift()
    const first = this.samples[0] as Sample
    const seconds = Math.max(0.2, (at - first.at) / 1_000)
    const step = at - this.timelineAt >= TIMELINE_STEP_MS
    if (step) this.timelineAt = at
    const rows = this.services.map((service): Row => {
      const now = stats.endpoints.find(({ address }) => address === service.address)
      const then = first.stats.endpoints.find(({ address }) => address === service.address)
      const rate = ((now?.tries ?? 0) - (then?.tries ?? 0)) / seconds
      const failing = ((now?.failures ?? 0) - (then?.failures ?? 0)) / seconds
      const timeline = this.timelines.get(service) ?? []
      if (step) this.timelines.set(service, [...timeline.slice(-60), rate])
      return {
        name: service.name,
        address: service.address,
        ejected: now?.state === 'ejected',
        ejectedForMs: now?.ejectedForMs ?? 0,
        rate,
        failing,
        trouble: this.trouble.get(service),
        timeline,
      }
    })
    const { p50, p99 } = this.traffic.latency()
    return {
      elapsedMs: this.elapsedMs,
      heading: this.heading,
      rows,
      sent: this.traffic.sent,
      lost: this.traffic.lost,
      retries: stats.retries + stats.movedOn,
      breaker: stats.breaker.state,
      p50,
      p99,
    }
  }

  private stats(): ServiceStats {
    return this.mesh.stats().services['orders'] as ServiceStats
  }
}
