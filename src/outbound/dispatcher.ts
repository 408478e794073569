import { EventEmitter } from 'node:events'
import { MeshError } from '../core/errors.ts'
import { modernHandler } from './caller.ts'
import type { Dispatcher, DispatchHandler, DispatchOptions } from './handler.ts'
import type { PassOn } from './outbound.ts'
import type { Undici } from './undici.ts'

type Interceptor = (
  dispatch: (options: DispatchOptions, handler: DispatchHandler) => boolean,
) => (options: DispatchOptions, handler: DispatchHandler) => boolean

/**
 * The shape of `mesh.dispatcher` for the type checker: its methods take anything, so that it fits wherever a `Dispatcher` of any
 * undici, or of any `@types/node`, is asked for, and the mesh's types name none of them.
 */
export type UniversalDispatcher = { readonly closed: boolean; readonly destroyed: boolean } & Record<
  keyof EventEmitter | 'dispatch' | 'request' | 'stream' | 'pipeline' | 'connect' | 'upgrade' | 'compose' | 'close' | 'destroy',
  AnyMethod
>

// biome-ignore lint/suspicious/noExplicitAny: only any is assignable to the method types of every undici
type AnyMethod = (...args: any[]) => any

/** What the dispatcher needs from its mesh. */
export interface DispatcherHost {
  dispatch(options: DispatchOptions, handler: DispatchHandler, passOn: PassOn): boolean
  /** undici, loaded at the first need. */
  undici(): Promise<Undici>
  /** undici, when it is loaded already. */
  readonly loaded: Undici | undefined
  readonly closed: boolean
  /** Takes requests for hosts that are not ours. */
  readonly fallback: PassOn
  close(atOnce: boolean): Promise<void>
}

/**
 * The mesh as an undici dispatcher: `fetch(url, { dispatcher })`, `undici.request(url, { dispatcher })`, and whatever else
 * takes one. It needs no undici to exist, so `mesh.dispatcher` can be read before anything is loaded.
 * Nothing in it is `#private`: `compose` and others wrap it in a Proxy, through which private fields cannot be read.
 */
export class MeshDispatcher extends EventEmitter implements Dispatcher {
  private readonly host: DispatcherHost

  constructor(host: DispatcherHost) {
    super()
    this.host = host
  }

  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean {
    if (options === null || typeof options !== 'object') throw new TypeError('options must be an object')
    if (handler === null || typeof handler !== 'object') throw new TypeError('handler must be an object')
    return this.host.dispatch(options, handler, this.host.fallback)
  }

  request(...args: unknown[]): unknown {
    return this.call('request', args)
  }
  stream(...args: unknown[]): unknown {
    return this.call('stream', args)
  }
  connect(...args: unknown[]): unknown {
    return this.call('connect', args)
  }
  upgrade(...args: unknown[]): unknown {
    return this.call('upgrade', args)
  }

  /** Returns a stream at once, so undici must be there: await `mesh.ready()` first. */
  pipeline(...args: unknown[]): unknown {
    const { loaded } = this.host
    if (loaded === undefined)
      throw new MeshError('MESH_NOT_READY', { reason: 'pipeline returns a stream at once: await mesh.ready() first' })
    return loaded.api.pipeline.apply(this, args)
  }

  get closed(): boolean {
    return this.host.closed
  }
  get destroyed(): boolean {
    return this.host.closed
  }

  /** Wraps `dispatch` in undici interceptors; the last one is the outermost. */
  compose(...interceptors: (Interceptor | null | undefined | (Interceptor | null | undefined)[])[]): this {
    let dispatch = this.dispatch.bind(this) as (options: DispatchOptions, handler: DispatchHandler) => boolean
    for (const interceptor of interceptors.flat()) {
      if (interceptor == null) continue
      if (typeof interceptor !== 'function') throw new TypeError(`invalid interceptor, expected function received ${typeof interceptor}`)
      const intercepted = interceptor(dispatch)
      if (typeof intercepted !== 'function') throw new TypeError('invalid interceptor')
      dispatch = (options, handler) => intercepted(options, modernHandler(handler))
    }
    return new Proxy(this, { get: (target, key) => (key === 'dispatch' ? dispatch : Reflect.get(target, key)) })
  }

  /** Closes the mesh, as undici's users expect of the dispatcher they hold; also with a callback. */
  close(...args: unknown[]): Promise<void> {
    return told(this.host.close(false), args)
  }

  /** Closes the mesh without waiting for the calls under way. */
  destroy(...args: unknown[]): Promise<void> {
    return told(this.host.close(true), args)
  }

  /** undici's own methods work on whatever has a `dispatch`; callers with a callback get it called. */
  private call(name: 'request' | 'stream' | 'connect' | 'upgrade', args: unknown[]): unknown {
    const { loaded } = this.host
    if (loaded !== undefined) return loaded.api[name].apply(this, args)
    // undici listens to a body once it has it; until then a stream that breaks would end the process.
    const { body } = (args[0] ?? {}) as { body?: { on?: (event: string, listener: () => void) => void } }
    if (typeof body?.on === 'function') body.on('error', () => {})
    const called = this.host.undici().then((undici) => undici.api[name].apply(this, args))
    return typeof args.at(-1) === 'function' && name !== 'stream' ? void called.catch(args.at(-1) as (error: unknown) => void) : called
  }
}

/** undici's methods take a callback as their last argument. */
function told(work: Promise<void>, args: readonly unknown[]): Promise<void> {
  const callback = args.at(-1)
  if (typeof callback === 'function')
    work.then(
      () => callback(null, null),
      (error: unknown) => callback(error),
    )
  return work
}
