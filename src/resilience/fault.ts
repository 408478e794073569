import type { Call } from '../core/call.ts'
import type { Described, Description } from '../core/described.ts'
import { formatDuration } from '../core/duration.ts'
import type { MeshErrorCode } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { FaultSettings, HeaderMatch } from '../model/resources.ts'

/** What happens to one call. */
export interface DrawnFault {
  /** 0: no delay. */
  readonly delayMs: number
  /** An answer of this status, when it is above 0. */
  readonly status: number
  /** An error of this code. */
  readonly code: MeshErrorCode | undefined
}

/** Draws, for each call that was admitted, whether a fault is put in its way. */
export class FaultInjector implements Described {
  readonly name = 'fault'
  readonly section = 'fault'
  private settings: FaultSettings
  private readonly random: Random

  constructor(settings: FaultSettings, random: Random) {
    this.settings = settings
    this.random = random
  }

  reconfigure(settings: FaultSettings): void {
    this.settings = settings
  }

  describe(call: Call): Description {
    const { delay, abort } = this.settings
    const met = [delay, abort].some((part) => part !== undefined && part.percent > 0 && matches(part.header, call))
    const because = met ? 'drawn for each call that was admitted' : 'none of them is for such a call'
    return { state: this.said(), because }
  }

  private said(): string {
    const { delay, abort } = this.settings
    const parts: string[] = []
    if (delay !== undefined) parts.push(`delays ${share(delay)} by ${formatDuration(delay.durationMs)}`)
    if (abort !== undefined) parts.push(`ends ${share(abort)} with ${abort.status ?? abort.code}`)
    return parts.length === 0 ? 'no fault' : parts.join(', ')
  }

  /** The fault of `call`; undefined when it is spared. Delay and abort are drawn apart, so a call may meet both. */
  draw(call: Call): DrawnFault | undefined {
    const { delay, abort } = this.settings
    const delayed = delay !== undefined && matches(delay.header, call) && this.hit(delay.percent)
    const aborted = abort !== undefined && matches(abort.header, call) && this.hit(abort.percent)
    if (!delayed && !aborted) return undefined
    return {
      delayMs: delayed ? delay.durationMs : 0,
      status: aborted ? (abort.status ?? 0) : 0,
      code: aborted ? abort.code : undefined,
    }
  }

  private hit(percent: number): boolean {
    return this.random() * 100 < percent
  }
}

function matches(header: HeaderMatch | undefined, call: Call): boolean {
  if (header === undefined) return true
  const value = call.header(header.name)
  return value !== undefined && (header.value === undefined || header.value === value)
}

function share({ percent, header }: { readonly percent: number; readonly header?: HeaderMatch }): string {
  const whose = header === undefined ? '' : ` with ${header.name}${header.value === undefined ? '' : `: ${header.value}`}`
  return `${percent} % of calls${whose}`
}
