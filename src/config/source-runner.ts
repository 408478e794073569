import type { Endpoint } from '../core/endpoint.ts'
import type { Rejection, ResourceDelta, Source, SourceContext, Stop } from '../model/source.ts'
import { textOf } from './schema/plain.ts'

/** What the runner tells the mesh. */
export interface SourceListener {
  rejected(source: string, rejections: readonly Rejection[]): void
  failed(source: string, error: unknown): void
  recovered(source: string): void
  /** A source gave its first answer, or failed to. */
  answered(): void
}

interface Running {
  readonly source: Source
  state: 'starting' | 'ready' | 'failed'
  version: string
  stop: Stop | undefined
  /** Why it has nothing, in words. */
  why: string | undefined
}

/** Runs the sources of a mesh: starts them once, keeps count of who has answered, contains whatever they throw. */
export class SourceRunner {
  private readonly running: Running[]
  private readonly apply: (source: string, delta: ResourceDelta) => Rejection[]
  private readonly listener: SourceListener
  private readonly namespace: string
  private readonly context: SourceContext
  private readonly unreachableListeners = new Set<(service: string, endpointId: string) => void>()
  private started = false

  constructor(
    sources: readonly Source[],
    { namespace, ...context }: Omit<SourceContext, 'onUnreachable'> & { readonly namespace: string },
    apply: (source: string, delta: ResourceDelta) => Rejection[],
    listener: SourceListener,
  ) {
    this.namespace = namespace
    this.context = Object.freeze({
      ...context,
      onUnreachable: (listener: (service: string, endpointId: string) => void) => {
        this.unreachableListeners.add(listener)
        return () => this.unreachableListeners.delete(listener)
      },
    })
    this.running = sources.map((source) => ({ source, state: 'starting', version: '', stop: undefined, why: undefined }))
    this.apply = apply
    this.listener = listener
  }

  /** The sources that have given nothing yet, and why. */
  get missing(): string[] {
    return this.running
      .filter(({ state, version }) => state !== 'ready' && version === '')
      .map(({ source, why }) => (why === undefined ? source.name : `${source.name} (${why})`))
  }

  /** True when no source is still at its first attempt. */
  get settled(): boolean {
    return this.running.every(({ state }) => state !== 'starting')
  }

  get states(): Record<string, { state: 'starting' | 'ready' | 'failed'; version: string }> {
    return Object.fromEntries(this.running.map(({ source, state, version }) => [source.name, { state, version }]))
  }

  start(): void {
    if (this.started) return
    this.started = true
    for (const running of this.running) this.watch(running)
  }

  /** Nobody could be connected at `endpoint`: the source that named it may find out more. */
  unreachable({ service, id }: Endpoint): void {
    for (const listener of this.unreachableListeners) {
      try {
        listener(service, id)
      } catch {
        // A defect of somebody's source must not reach the call.
      }
    }
  }

  async stop(): Promise<void> {
    const stops = this.running.map(async ({ stop }) => stop?.())
    await Promise.allSettled(stops)
  }

  private watch(running: Running): void {
    const { source } = running
    try {
      const stop = source.watch({
        update: (delta) => this.update(running, delta),
        failed: (error) => this.failed(running, error),
        rejected: (rejections) => this.listener.rejected(source.name, rejections),
        namespace: this.namespace,
        context: this.context,
      }) as Stop | Promise<Stop>
      // An async function is no watch, and yet somebody will write one.
      if (stop instanceof Promise) stop.catch((error: unknown) => this.failed(running, error))
      running.stop = stop instanceof Promise ? async () => (await stop)?.() : stop
    } catch (error) {
      this.failed(running, error)
    }
  }

  private update(running: Running, delta: ResourceDelta): Rejection[] {
    const { name } = running.source
    const former = running.state
    let rejections: Rejection[]
    try {
      rejections = this.apply(name, delta)
    } catch (error) {
      // A delta of the wrong shape; what is thrown here would surface in the source's own timers.
      this.failed(running, error)
      return [{ kind: 'document', namespace: '', name, problems: [`not a delta: ${String(error)}`] }]
    }
    const first = running.version === '' && delta.version !== ''
    running.version = delta.version
    if (rejections.length > 0) this.listener.rejected(name, rejections)
    if (delta.failing !== undefined) {
      this.failed(running, delta.failing)
      // It counted as failed before: whoever waits for its first answer hears of it all the same.
      if (former === 'failed' && first) this.listener.answered()
      return rejections
    }
    running.state = 'ready'
    if (former === 'failed') this.listener.recovered(name)
    if (former !== 'ready') this.listener.answered()
    return rejections
  }

  private failed(running: Running, error: unknown): void {
    const former = running.state
    running.state = 'failed'
    running.why = textOf(error)
    if (former !== 'failed') this.listener.failed(running.source.name, error)
    if (former === 'starting') this.listener.answered()
  }
}
