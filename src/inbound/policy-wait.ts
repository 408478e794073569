import type { Clock, Timer } from '../core/clock.ts'
import { FREE_PERMIT, type Permit } from '../core/gate.ts'
import type { InboundGate } from '../model/inbound-call.ts'

/** Whose policies are waited for. */
export interface PolicyWaitHost {
  readonly clock: Clock
  /** Whether a source of policies has neither answered nor failed yet. */
  readonly pending: boolean
  /** Starts the sources. */
  begin(): void
}

/**
 * Lets the first requests wait for the policies of sources that nobody has started yet: a process without outgoing calls, whose owner did
 * not wait for `ready()`, would refuse for ever. All share one span of patience, so that a source that hangs does not pile up requests;
 * after it authorization says what is missing.
 */
export class PolicyWait implements InboundGate {
  readonly name = 'policies'
  private readonly host: PolicyWaitHost
  private readonly waiting = new Set<(permit: Permit) => void>()
  private timer: Timer | undefined = undefined
  private notAfter: number | undefined = undefined

  constructor(host: PolicyWaitHost) {
    this.host = host
  }

  admit(): Permit | Promise<Permit> {
    const { host } = this
    if (!host.pending) return FREE_PERMIT
    if (this.notAfter === undefined) this.begin()
    if (!host.pending || host.clock.now() >= (this.notAfter as number)) return FREE_PERMIT
    return new Promise((resolve) => this.waiting.add(resolve))
  }

  /** The policies changed: whoever waits goes on when none is awaited any more. */
  check(): void {
    if (!this.host.pending) this.release()
  }

  /** Nothing comes any more. */
  close(): void {
    this.timer?.cancel()
    this.release()
  }

  private begin(): void {
    const { clock } = this.host
    this.notAfter = clock.now() + PATIENCE_MS
    this.timer = clock.setTimer(() => this.release(), PATIENCE_MS)
    this.timer.unref()
    this.host.begin()
  }

  private release(): void {
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const resolve of waiting) resolve(FREE_PERMIT)
  }
}

const PATIENCE_MS = 5_000
