import { AsyncLocalStorage } from 'node:async_hooks'
import { type Clock, systemClock } from '../core/clock.ts'
import { Events } from '../core/event.ts'
import { type Random, systemRandom } from '../core/random.ts'
import { TimerWheel } from '../core/timer-wheel.ts'
import type { CallSettings } from '../model/call-settings.ts'
import type { MeshEvents } from '../model/events.ts'
import type { Logger } from '../model/options.ts'
import { EventLog } from './event-log.ts'

/** What both sides of a mesh stand on: its time, its randomness, its events, its log, and whether it is closed. */
export class Ground {
  readonly clock: Clock
  readonly random: Random
  readonly time: TimerWheel
  readonly events: Events<MeshEvents>
  /** No new call is taken. */
  closed = false
  /** What holds around a moment, once somebody asked for it. */
  context: AsyncLocalStorage<CallSettings> | undefined = undefined
  private readonly logger: Logger | undefined

  constructor({ clock, random, logger }: { clock: Clock | undefined; random: Random | undefined; logger: Logger | undefined }) {
    this.clock = clock ?? systemClock
    this.random = random ?? systemRandom
    this.time = new TimerWheel(this.clock)
    this.logger = logger
    this.events = new Events((error) => this.report('event listener', error))
    if (logger !== undefined) new EventLog(this.events, this.clock, (line) => this.say(() => logger.warn(line)))
  }

  /** Made at the first use: on Node 20 a living AsyncLocalStorage makes every promise dearer. */
  contextStorage(): AsyncLocalStorage<CallSettings> {
    this.context ??= new AsyncLocalStorage()
    return this.context
  }

  readonly emit = <Event extends keyof MeshEvents>(name: Event, payload: MeshEvents[Event]): void => this.events.emit(name, payload)

  /** What somebody else's code threw: logged, never thrown on, whatever the logger does. */
  readonly report = (what: string, error: unknown): void => this.say(() => this.logger?.error(`inmesh: ${what} threw`, error))

  private say(write: () => unknown): void {
    try {
      const returned = write()
      if (returned instanceof Promise) returned.catch(() => {})
    } catch {}
  }
}
