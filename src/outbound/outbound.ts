import type { AsyncLocalStorage } from 'node:async_hooks'
import { MeshError, meshErrorWithoutStack } from '../core/errors.ts'
import { DEFAULT_POLICY } from '../model/defaults.ts'
import { parseCallOptions } from './call-options.ts'
import { callerOf } from './caller.ts'
import { type CallSettings, type Engine, NO_SETTINGS, type Target } from './engine.ts'
import { Exchange } from './exchange.ts'
import type { DispatchHandler, DispatchOptions } from './handler.ts'
import { refuse } from './refuse.ts'
import type { Targets } from './targets.ts'
import { readableTwice } from './try-options.ts'

/** Takes a request that is not ours, by the door it came in. */
export type PassOn = (options: DispatchOptions, handler: DispatchHandler) => boolean

/** What the outbound side needs from the mesh. */
export interface OutboundHost {
  readonly engine: Engine
  readonly targets: Targets
  readonly unknownHosts: 'pass' | 'refuse'
  /** The per-call options of `mesh.with` around this moment. */
  readonly context: AsyncLocalStorage<CallSettings> | undefined
  readonly closed: boolean
  /** True when undici is loaded and every source gave its first answer. */
  readonly ready: boolean
  /** Starts what is not started and calls back when `ready`, or when it failed for good. */
  whenReady(then: (error: unknown) => void): void
}

/** Turns requests into exchanges, and lets strangers pass. */
export class Outbound {
  private readonly host: OutboundHost
  passedThrough = 0

  constructor(host: OutboundHost) {
    this.host = host
  }

  dispatch(options: DispatchOptions, handler: DispatchHandler, passOn: PassOn): boolean {
    const { host } = this
    const target = options.origin == null ? undefined : host.targets.find(options.origin)
    if (target !== undefined) return this.exchange(target, options, handler)
    if (!host.ready && !host.closed) return this.wait(options, handler, passOn)
    if (host.unknownHosts === 'refuse') {
      const reason = `${String(options.origin)} is no service of this mesh, and unknownHosts is 'refuse'`
      return this.refuse(handler, meshErrorWithoutStack('MESH_UNKNOWN_SERVICE', { reason }))
    }
    this.passedThrough++
    return passOn(options, handler)
  }

  /** Whether a service answers at `origin`. */
  serves(origin: string | URL): boolean {
    return this.host.targets.find(origin) !== undefined
  }

  private exchange(target: Target, options: DispatchOptions, handler: DispatchHandler): boolean {
    const { host } = this
    if (host.closed)
      return this.refuse(handler, meshErrorWithoutStack('MESH_CLOSED', { service: target.plan.name, reason: 'the mesh is closed' }))
    let exchange: Exchange
    try {
      exchange = new Exchange(host.engine, target, readableTwice(options), this.settings(options), callerOf(handler))
    } catch (error) {
      // Per-call options or headers that cannot be read.
      return this.refuse(handler, error)
    }
    exchange.open()
    if (host.ready) {
      exchange.begin()
    } else {
      exchange.wait()
      host.whenReady((error) => exchange.beginOrFail(error))
    }
    return true
  }

  private settings(options: DispatchOptions): CallSettings {
    const around = this.host.context?.getStore() ?? NO_SETTINGS
    return options.mesh === undefined ? around : parseCallOptions(options.mesh, around)
  }

  /** Nobody knows yet whether the host is ours: a source may still name it, as long as the call would wait for its answer. */
  private wait(options: DispatchOptions, handler: DispatchHandler, passOn: PassOn): boolean {
    const { host } = this
    let timeoutMs: number
    try {
      timeoutMs = this.settings(options).timeoutMs ?? DEFAULT_POLICY.timeouts.headTimeoutMs
    } catch (error) {
      return this.refuse(handler, error)
    }
    let waiting = true
    const late = (): void => {
      waiting = false
      const reason = `no source named ${String(options.origin)} within ${Math.round(timeoutMs)} ms, and not all of them have answered`
      this.refuse(handler, meshErrorWithoutStack('MESH_DEADLINE', { reason }))
    }
    const timer = host.engine.clock.setTimer(late, timeoutMs)
    host.whenReady((error) => {
      if (!waiting) return
      waiting = false
      timer.cancel()
      if (error !== undefined && host.unknownHosts === 'refuse') this.refuse(handler, error)
      else this.dispatch(options, handler, passOn)
    })
    return true
  }

  private refuse(handler: DispatchHandler, error: unknown): boolean {
    return refuse(handler, error, this.host.engine.report)
  }
}

/** A URL taken apart for undici's `request` and `stream`; the defaults are undici's. */
export function requestOptions(url: string | URL, options: Record<string, unknown>): Record<string, unknown> {
  const { origin, path } = splitUrl(url)
  return {
    ...options,
    origin,
    path: options['path'] ?? path,
    method: options['method'] ?? (options['body'] === undefined ? 'GET' : 'PUT'),
  }
}

/** A URL that `new URL` (0.4 µs) would give back as it is written; dots and escapes may be path segments to resolve. */
const PLAIN_URL = /^https?:\/\/[a-z0-9.-]+(?::\d+)?\/[\w~!$&()*+,;=:@/?-]*$/

function splitUrl(url: string | URL): { origin: string; path: string } {
  if (typeof url === 'string' && PLAIN_URL.test(url)) {
    const slash = url.indexOf('/', 8)
    return { origin: url.slice(0, slash), path: url.slice(slash) }
  }
  try {
    const { origin, pathname, search } = url instanceof URL ? url : new URL(url)
    return { origin, path: pathname + search }
  } catch (cause) {
    throw new MeshError('MESH_CONFIG', { reason: `expected an absolute URL, got ${JSON.stringify(String(url))}`, cause })
  }
}
