import { AsyncResource } from 'node:async_hooks'
import type { AddressPolicy } from '../core/address.ts'
import { MeshError, meshErrorWithoutStack } from '../core/errors.ts'
import type { DispatcherLike } from '../model/options.ts'
import { callerOf } from './caller.ts'
import { Connections } from './connections.ts'
import type { Engine } from './engine.ts'
import { Exchange } from './exchange.ts'
import type { Client, Dispatcher, DispatchHandler, DispatchOptions } from './handler.ts'
import type { Installation } from './install.ts'
import type { MutualTls } from './mutual-tls.ts'
import { OutboundCall } from './outbound-call.ts'
import { refuse } from './refuse.ts'
import { ReplayMemory } from './replay-body.ts'
import { type Dialect, loadUndici, type Undici } from './undici.ts'

/** What is needed to start and to stop the outbound side. */
export interface StartupOptions {
  readonly undici: object | undefined
  readonly addressPolicy: AddressPolicy
  readonly mutual: MutualTls
  readonly fallback: DispatcherLike | undefined
  /** Starts the sources; called once. */
  start(): void
  /** Something that was waited for may be there. */
  checked(): void
  /** True when every source answered once, or failed to. */
  sourcesSettled(): boolean
}

type Waiting = (error: unknown) => void

/**
 * From nothing to a working engine and back: loads undici at the first need, lets calls wait for it and for the sources,
 * and takes everything down again.
 */
export class Startup {
  readonly engine: Engine
  /** The global hooks, told when an undici was loaded that brings its own global dispatcher. */
  installation: Installation | undefined = undefined
  /** Everything is there that calls need. */
  done = false
  private readonly options: StartupOptions
  private readonly waiting = new Set<Waiting>()
  private readonly watching = new Set<Waiting>()
  private loading: Promise<Undici> | undefined = undefined
  private ownAgent: Dispatcher | undefined = undefined
  private closed = false

  constructor(shared: Omit<Engine, 'undici' | 'connections' | 'replayMemory'>, options: StartupOptions) {
    this.engine = { ...shared, undici: undefined, connections: undefined, replayMemory: new ReplayMemory() }
    this.options = options
  }

  begin(): void {
    this.options.start()
    this.undici().then(
      () => this.check(),
      (error: unknown) => this.fail(error),
    )
  }

  /** Calls back when everything is there, or with what prevents it. */
  when(then: Waiting): void {
    // Whoever lets them all go does so in a context of its own; each goes on in the one it came from.
    this.waiting.add(AsyncResource.bind(then))
    this.begin()
  }

  /**
   * Resolves when everything is there and nobody is `missing`; rejects with what prevents it.
   * @throws MeshError `MESH_NOT_READY` with who is missing after `timeoutMs`; they keep trying
   */
  whenReady(timeoutMs: number, signal: AbortSignal | undefined, missing: () => readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error: unknown): void => {
        timer.cancel()
        signal?.removeEventListener('abort', aborted)
        this.watching.delete(watch)
        if (error === undefined) resolve()
        else reject(error)
      }
      const aborted = (): void => end(signal?.reason)
      const watch = (error: unknown): void => {
        if (error !== undefined || (this.done && missing().length === 0)) end(error)
      }
      const timer = this.engine.clock.setTimer(() => {
        const reason = `no answer within ${timeoutMs} ms from: ${missing().join(', ') || 'undici'}`
        end(new MeshError('MESH_NOT_READY', { reason }))
      }, timeoutMs)
      signal?.addEventListener('abort', aborted, { once: true })
      this.watching.add(watch)
      this.begin()
    })
  }

  /** Looks whether everything is there now. */
  check(): void {
    if (!this.done && this.engine.undici !== undefined && this.options.sourcesSettled()) {
      this.done = true
      this.release(undefined)
    }
    for (const watch of [...this.watching]) watch(undefined)
    this.options.checked()
  }

  /** undici, loaded at the first need. */
  undici(): Promise<Undici> {
    this.loading ??= loadUndici(this.options.undici).then((undici) => {
      const { engine, options } = this
      engine.undici = undici
      engine.connections = new Connections(undici, engine.clock, options.addressPolicy, options.mutual)
      this.installation?.takeDispatchers()
      return undici
    })
    return this.loading
  }

  /** Hands a stranger to the fallback: the configured one, or an agent of undici's own. */
  passOn(options: DispatchOptions, handler: DispatchHandler): boolean {
    const { fallback } = this.options
    if (this.closed) {
      const error = meshErrorWithoutStack('MESH_CLOSED', { reason: 'the mesh is closed' })
      return refuse(callerOf(handler), error, this.engine.report)
    }
    if (fallback !== undefined) return (fallback as Dispatcher).dispatch(options, handler)
    const { undici } = this.engine
    if (undici === undefined) {
      this.undici().then(
        () => this.passOn(options, handler),
        (error: unknown) => refuse(callerOf(handler), error, this.engine.report),
      )
      return true
    }
    this.ownAgent ??= new undici.Agent({ allowH2: false })
    return undici.translate(this.ownAgent, dialectOf(handler)).dispatch({ ...options, dispatcher: undefined }, handler)
  }

  /** Waits until no call is under way, at most `timeoutMs`, then aborts what is left and closes every socket. */
  async drain(timeoutMs: number): Promise<void> {
    const { clock, time } = this.engine
    const closed = new MeshError('MESH_CLOSED', { reason: 'the mesh was closed before the call ended' })
    this.closed = true
    this.release(closed)
    for (const watch of [...this.watching]) watch(closed)
    // Nobody waits for copies.
    for (const entry of time.entries()) if (entry instanceof Exchange && entry.isShadow) entry.abort(closed)
    const endsAt = clock.now() + timeoutMs
    while ((time.size > 0 || this.strangers) && clock.now() < endsAt) {
      await new Promise<void>((resolve) => {
        clock.setTimer(resolve, Math.min(DRAIN_STEP_MS, endsAt - clock.now()))
      })
    }
    for (const entry of time.entries()) if (entry instanceof OutboundCall) entry.abort(closed)
    await this.engine.connections?.destroy()
    await this.ownAgent?.destroy()
  }

  /** Whether strangers that were passed on are still under way. An agent that was told to close cannot be destroyed any more. */
  private get strangers(): boolean {
    const { stats = {} } = (this.ownAgent ?? {}) as { stats?: Record<string, Client['stats']> }
    return Object.values(stats).some(({ running, pending }) => running + pending > 0)
  }

  /** Lets every call that waits go on; what one of them throws must not keep the others. */
  private release(error: unknown): void {
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const then of waiting) {
      try {
        then(error)
      } catch (thrown) {
        this.engine.report('response handler', thrown)
      }
    }
  }

  private fail(error: unknown): void {
    const failure =
      error instanceof MeshError ? error : new MeshError('MESH_NOT_READY', { reason: 'undici could not be loaded', cause: error })
    this.release(failure)
    for (const watch of [...this.watching]) watch(failure)
  }
}

function dialectOf(handler: DispatchHandler): Dialect {
  return typeof handler.onRequestStart === 'function' ? 'modern' : 'legacy'
}

const DRAIN_STEP_MS = 5
