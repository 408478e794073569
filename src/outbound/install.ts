import { MeshError } from '../core/errors.ts'
import type { Dispatcher, DispatchHandler, DispatchOptions } from './handler.ts'
import type { PassOn } from './outbound.ts'
import { wakePlatformFetch } from './platform.ts'
import { GLOBAL_DISPATCHERS, type Globals } from './undici.ts'

type Fetch = typeof globalThis.fetch

/** What the global hooks need from the mesh. */
export interface InstallHost {
  dispatch(options: DispatchOptions, handler: DispatchHandler, passOn: PassOn): boolean
  /** Whether the mesh wants requests to `input`. */
  wants(input: unknown): boolean
  /** `mesh.fetch` on top of the fetch that was global before. */
  fetchThrough(former: Fetch, input: unknown, init: unknown): Promise<Response>
}

/**
 * The mesh behind the global `fetch` and the global dispatchers. What is not ours goes on to whoever was there before, by
 * the same door, unchanged. {@link restore} puts back only what is still ours; what somebody wrapped since stays in place
 * and becomes a pass-through.
 */
export class Installation {
  private readonly host: InstallHost
  private readonly formerFetch: Fetch
  private readonly ourFetch: Fetch
  private readonly dispatchers = new Map<symbol, { former: Dispatcher; ours: Dispatcher }>()
  private active = true
  private holders = 0

  constructor(host: InstallHost) {
    this.host = host
    if (!wakePlatformFetch())
      throw new MeshError('MESH_CONFIG', { reason: 'install needs the fetch of the platform, and this process was started without it' })
    const former = globalThis.fetch
    this.formerFetch = former
    this.ourFetch = ((input: never, init?: { dispatcher?: unknown }) => {
      // Whoever names a dispatcher has decided for himself.
      const ours = this.active && init?.dispatcher === undefined && host.wants(input)
      return ours ? host.fetchThrough(former, input, init) : former(input, init as RequestInit | undefined)
    }) as Fetch
    this.mark(this.ourFetch, former)
    globalThis.fetch = this.ourFetch
    this.takeDispatchers()
  }

  /** Takes the global dispatchers that exist now; called again after an undici was loaded that brings its own. */
  takeDispatchers(): void {
    if (!this.active) return
    const globals = globalThis as unknown as Globals
    for (const key of GLOBAL_DISPATCHERS) {
      const former = globals[key]
      if (former === undefined || this.dispatchers.has(key)) continue
      const ours = this.wrap(former)
      this.dispatchers.set(key, { former, ours })
      globals[key] = ours
    }
  }

  /** Stays in place for one more who installed; what is returned gives that up, and the last one restores. */
  hold(): () => void {
    this.holders++
    let held = true
    return () => {
      if (!held) return
      held = false
      if (--this.holders === 0) this.restore()
    }
  }

  get installed(): boolean {
    return this.active
  }

  restore(): void {
    if (!this.active) return
    this.active = false
    if (globalThis.fetch === this.ourFetch) globalThis.fetch = beneath(this.formerFetch)
    const globals = globalThis as unknown as Globals
    for (const [key, { former, ours }] of this.dispatchers) {
      if (globals[key] === ours) globals[key] = beneath(former)
    }
  }

  /** Lets whoever lies above see, once we are gone, what was there before us. */
  private mark(ours: object, former: object): void {
    Object.defineProperty(ours, BENEATH, { get: () => (this.active ? undefined : former) })
  }

  /** The former dispatcher with our `dispatch` in front; all else about it stays its own. */
  private wrap(former: Dispatcher): Dispatcher {
    const passOn: PassOn = (options, handler) => former.dispatch(options, handler)
    const dispatch: PassOn = (options, handler) => (this.active ? this.host.dispatch(options, handler, passOn) : passOn(options, handler))
    return new Proxy(former, {
      get: (target, key) => {
        if (key === 'dispatch') return dispatch
        if (key === BENEATH) return this.active ? undefined : former
        const value: unknown = Reflect.get(target, key)
        // Methods of dispatchers with private fields only work on the object itself; undici's request and stream
        // must meet our dispatch, and touch nothing private.
        return typeof value === 'function' && (key === 'close' || key === 'destroy') ? value.bind(target) : value
      },
    })
  }
}

const BENEATH = Symbol.for('inmesh.beneath')

/** `former`, or what lies beneath it when it belongs to a mesh that has left meanwhile: nothing of it must stay for good. */
function beneath<T extends object>(former: T): T {
  let found = former
  for (let next: T | undefined = found; next !== undefined; next = (found as { [BENEATH]?: T })[BENEATH]) found = next
  return found
}
