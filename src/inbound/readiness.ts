import type { HealthReport, ReadinessState } from '../model/readiness.ts'

/** What somebody needs before requests may come: the names of what is missing, with the reason. */
export type Condition = () => readonly string[]

/** Who wants to know how the start goes. */
export interface StartWatcher {
  /** Somebody asked whether it is ready, and it is not yet. */
  asked(): void
  /** It became ready, or leaves: no condition is looked at any more. */
  over(): void
}

/**
 * Whether requests should be sent to this process. It is ready once every condition held; what is lost later is for those to say who
 * lost it, since a process that goes on with the last good configuration is better than none.
 */
export class Readiness {
  private readonly conditions: Condition[] = []
  private readonly listeners = new Set<(ready: boolean) => void>()
  private state: ReadinessState = 'starting'
  private readonly report: (what: string, error: unknown) => void
  private readonly start: StartWatcher | undefined

  constructor(report: (what: string, error: unknown) => void, start?: StartWatcher) {
    this.report = report
    this.start = start
  }

  /** One more thing that must be there. */
  require(condition: Condition): void {
    this.conditions.push(condition)
  }

  get ready(): boolean {
    return this.look().ready
  }

  /** Where it stands, as it was when somebody looked last. */
  get current(): ReadinessState {
    return this.state
  }

  /** Whether this process was told to end. */
  get leaving(): boolean {
    return this.state === 'draining' || this.state === 'closed'
  }

  look(): HealthReport {
    this.check()
    const { state } = this
    if (state !== 'starting') return { ready: state === 'ready', state, missing: state === 'ready' ? [] : [state] }
    this.start?.asked()
    return { ready: false, state, missing: this.missing }
  }

  /** Something that it waits for may be there. */
  check(): void {
    if (this.state === 'starting' && this.missing.length === 0) this.become('ready')
  }

  /** No way leads back from the last two. */
  become(state: ReadinessState): void {
    if (this.state === state || this.state === 'closed') return
    const before = this.state === 'ready'
    if (this.state === 'starting') this.start?.over()
    this.state = state
    if (before === (state === 'ready')) return
    for (const listener of this.listeners) {
      try {
        listener(state === 'ready')
      } catch (error) {
        this.report('readiness listener', error)
      }
    }
  }

  /** Calls `listener` at every change; returns what ends that. */
  onChange(listener: (ready: boolean) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private get missing(): readonly string[] {
    return this.conditions.flatMap((condition) => condition())
  }
}
