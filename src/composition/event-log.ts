import type { Clock } from '../core/clock.ts'
import { formatDuration } from '../core/duration.ts'
import type { Events } from '../core/event.ts'
import type { MeshEvents } from '../model/events.ts'

/** How long a subject stays silent after a line about it. */
const SILENCE_MS = 60_000
/** Subjects are named by configuration, but there may be any number of them. */
const MAX_SUBJECTS = 1_000

/** What was said of one subject. */
interface Said {
  readonly at: number
  /** Events since then that were not told. */
  more: number
}

/**
 * Tells a logger of what an operator has to know: endpoints that are left out, breakers that open, calls that are refused, configuration and
 * certificates that cannot be used. At most one line a minute about the same thing, which says how often it happened since the last one, so
 * that no line follows from a request. Refusals carry the words of Envoy's access log.
 */
export class EventLog {
  private readonly clock: Clock
  private readonly warn: (line: string) => void
  private readonly said = new Map<string, Said>()

  constructor(events: Events<MeshEvents>, clock: Clock, warn: (line: string) => void) {
    this.clock = clock
    this.warn = warn
    for (const [event, lineOf] of Object.entries(LINES) as [keyof MeshEvents, (payload: never) => Line][])
      events.on(event, (payload) => this.tell(event, lineOf(payload as never)))
  }

  private tell(event: string, [subject, text]: Line): void {
    const now = this.clock.now()
    const key = `${event} ${subject}`
    const former = this.said.get(key)
    if (former !== undefined && now - former.at < SILENCE_MS) {
      former.more++
      return
    }
    if (this.said.size >= MAX_SUBJECTS) this.said.clear()
    this.said.set(key, { at: now, more: 0 })
    const more = former === undefined || former.more === 0 ? '' : ` (and ${former.more} more since the last such line)`
    this.warn(`inmesh: ${text}${more}`)
  }
}

/** What it is about, and what is said of it. */
type Line = readonly [subject: string, text: string]

const LINES: { readonly [Event in keyof MeshEvents]?: (payload: MeshEvents[Event]) => Line } = {
  endpointEjected: ({ service, endpoint, reason, forMs }) => [
    service,
    `${service}: ${endpoint} is ejected for ${formatDuration(forMs)}: ${reason}`,
  ],
  endpointUnhealthy: ({ service, endpoint, reason }) => [service, `${service}: ${endpoint} fails its health checks: ${reason}`],
  circuitOpened: ({ service, failurePercent, requests, openForMs }) => [
    service,
    `${service}: the breaker is open for ${formatDuration(openForMs)}, calls end with MESH_CIRCUIT_OPEN [UO]: ${failurePercent} % of ${requests} calls found it unavailable`,
  ],
  refused: ({ service, gate, code, flags, reason }) => [
    `${service} ${gate} ${code}`,
    `${service}: ${gate} refuses calls with ${code} [${flags.join(',')}]: ${reason}`,
  ],
  configRejected: ({ source, rejections }) => [
    source,
    `${source}: configuration is refused: ${rejections.flatMap(({ problems }) => problems).join('; ')}`,
  ],
  sourceFailed: ({ source, error }) => [source, `${source}: the source fails: ${error instanceof Error ? error.message : String(error)}`],
  identityRejected: ({ what, reason }) => [what, `${what} cannot be used: ${reason}`],
  identityExpiring: ({ id, percent, leftMs }) => [
    `${id} ${percent}`,
    `the certificate of ${id} is at ${percent} % of its life, and no new one came: ${formatDuration(Math.round(leftMs / 1_000) * 1_000)} left`,
  ],
}
