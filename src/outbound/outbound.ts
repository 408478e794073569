import type { AsyncLocalStorage } from 'node:async_hooks'
import { flagsOf, MeshError, meshErrorWithoutStack } from '../core/errors.ts'
import { flagsFrom } from '../core/response-flags.ts'
import { followRedirects } from '../plan/redirect.ts'
import { parseCallOptions } from './call-options.ts'
import { type Caller, callerOf } from './caller.ts'
import { type CallSettings, type Engine, NO_SETTINGS, type Target } from './engine.ts'
import { Exchange } from './exchange.ts'
import type { DispatchHandler, DispatchOptions } from './handler.ts'
import { refuse } from './refuse.ts'
import type { NoWay, Router, Way } from './router.ts'
import { waitForSources } from './source-wait.ts'
import type { Destination, Targets } from './targets.ts'
import { readableTwice } from './try-options.ts'
import { splitUrl } from './url.ts'

/** Takes a request that is not ours, by the door it came in. */
export type PassOn = (options: DispatchOptions, handler: DispatchHandler) => boolean

/** What the outbound side needs from the mesh. */
export interface OutboundHost {
  readonly engine: Engine
  readonly targets: Targets
  readonly router: Router
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
    if (target !== undefined) {
      const caller = callerOf(handler)
      let readable: DispatchOptions
      let settings: CallSettings
      try {
        readable = readableTwice(options)
        settings = this.settings(options)
      } catch (error) {
        return this.refuse(caller, error)
      }
      this.open(target, readable, caller, settings)
      return true
    }
    if (!host.ready && !host.closed) return this.wait(options, handler, passOn)
    if (host.unknownHosts === 'refuse') {
      const reason = `${String(options.origin)} is no service of this mesh, and unknownHosts is 'refuse'`
      return this.refuse(callerOf(handler), meshErrorWithoutStack('MESH_UNKNOWN_SERVICE', { reason }))
    }
    this.passedThrough++
    return passOn(options, handler)
  }

  /** Whether a service answers at `origin`. */
  serves(origin: string | URL): boolean {
    return this.host.targets.find(origin) !== undefined
  }

  /** Sends one call; undefined when it was refused, of which `caller` has heard then. */
  open(to: Destination, options: DispatchOptions, caller: Caller, settings: CallSettings): Exchange | undefined {
    const { host } = this
    if (host.closed) {
      this.refuse(caller, meshErrorWithoutStack('MESH_CLOSED', { service: to.name, reason: 'the mesh is closed' }))
      return undefined
    }
    if (to.routed === undefined) return this.send(to.target as Target, options, caller, settings)
    let way: Way | NoWay
    try {
      way = host.router.follow(to.routed, options, caller, settings, host.ready)
      if (typeof way === 'object' && 'rule' in way) {
        host.router.answer(to.routed, way, options, caller)
        return undefined
      }
    } catch (error) {
      // Headers that cannot be read.
      this.refuse(caller, error)
      return undefined
    }
    if (way === 'unknown') this.openLater(options, caller, settings)
    return typeof way === 'string' ? undefined : this.send(way.target, way.options, caller, way.settings)
  }

  /** Begins one call at its service. */
  private send(found: Target, options: DispatchOptions, caller: Caller, settings: CallSettings): Exchange | undefined {
    const { host } = this
    const target = !found.gone && found.plan.protections.policies?.redirects === true ? this.redirect(found, options, caller) : found
    if (target === undefined) return undefined
    let exchange: Exchange
    try {
      exchange = new Exchange(host.engine, target, options, settings, caller)
    } catch (error) {
      // Headers that cannot be read.
      this.refuse(caller, error)
      return undefined
    }
    exchange.open()
    if (host.ready && !exchange.early) {
      exchange.begin()
      return exchange
    }
    exchange.wait()
    // What cannot begin ends at once; the others wait for the names of their own service, and for no others.
    const resolved = (error: unknown): void => {
      if (error === undefined && !target.gone) exchange.whenDue(() => exchange.beginOrFail(undefined))
      else exchange.beginOrFail(error)
    }
    if (host.ready) resolved(undefined)
    else host.whenReady(resolved)
    return exchange
  }

  /** The per-call options of `mesh.with` around this moment. */
  get around(): CallSettings {
    return this.host.context?.getStore() ?? NO_SETTINGS
  }

  /** Where the traffic policies send a call; undefined when it was refused, of which `caller` has heard then. */
  private redirect(found: Target, { method, path }: DispatchOptions, caller: Caller): Target | undefined {
    const { engine, targets } = this.host
    const { name: service } = found.plan
    const led = followRedirects(found.plan, method, path, (name) => targets.service(name))
    if (!('problem' in led)) return led.plan === found.plan ? found : targets.redirected(found, led.plan)
    const { code, problem: reason, by } = led
    const flags = code === 'MESH_UNKNOWN_SERVICE' ? flagsFrom('NC') : flagsOf(code)
    engine.emit('refused', { service, gate: 'policies', code, flags, reason })
    this.refuse(caller, meshErrorWithoutStack(code, { service, reason, from: by.from, place: engine.placeOf(by.from), flags }))
    return undefined
  }

  /** Nobody knows yet whether the host is ours: a source may still name it, as long as the call would wait for its answer. */
  private wait(options: DispatchOptions, handler: DispatchHandler, passOn: PassOn): boolean {
    const { host } = this
    let settings: CallSettings
    try {
      settings = this.settings(options)
    } catch (error) {
      return this.refuse(callerOf(handler), error)
    }
    waitForSources(this.host, options.origin, settings, (late, error) => {
      if (late !== undefined) this.refuse(callerOf(handler), late)
      else if (error !== undefined && host.unknownHosts === 'refuse') this.refuse(callerOf(handler), error)
      else this.dispatch(options, handler, passOn)
    })
    return true
  }

  /** A rule leads to a service that a source may still name. */
  private openLater(options: DispatchOptions, caller: Caller, settings: CallSettings): void {
    waitForSources(this.host, options.origin, settings, (late, error) => {
      const to = this.host.targets.find(options.origin as string)
      if (late !== undefined || error !== undefined || to === undefined)
        this.refuse(
          caller,
          late ?? error ?? meshErrorWithoutStack('MESH_UNKNOWN_SERVICE', { reason: `${String(options.origin)} is no service any more` }),
        )
      else this.open(to, options, caller, settings)
    })
  }

  private settings(options: DispatchOptions): CallSettings {
    return options.mesh === undefined ? this.around : parseCallOptions(options.mesh, this.around)
  }

  private refuse(caller: Caller, error: unknown): boolean {
    return refuse(caller, error, this.host.engine.report)
  }
}

/**
 * A URL taken apart for undici's `request` and `stream`; the defaults are undici's.
 * @throws MeshError `MESH_CONFIG` when it is no absolute URL
 */
export function requestOptions(url: string | URL, options?: Record<string, unknown>): Record<string, unknown> {
  const split = splitUrl(url)
  if (split === undefined) throw new MeshError('MESH_CONFIG', { reason: `expected an absolute URL, got ${JSON.stringify(String(url))}` })
  const { origin, path } = split
  // Nothing to copy, as in most calls.
  if (options === undefined) return { origin, path, method: 'GET' }
  return {
    ...options,
    origin,
    path: options['path'] ?? path,
    method: options['method'] ?? (options['body'] === undefined ? 'GET' : 'PUT'),
  }
}
