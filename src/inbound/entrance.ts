import { channel } from 'node:diagnostics_channel'
import type { Guard } from './guard.ts'
import type { AnyRequest } from './http-request.ts'
import { type AnyServer, type Protection, protect } from './protect.ts'

/** Where Node tells of a connection, before it has read a byte of it. */
const CONNECTIONS = channel('net.server.socket')

/**
 * The guard, and the servers it stands before. A listener or a middleware cannot know which server it is given to; so the first connection
 * of any server is looked at, and a server with a listener of ours is protected before its first request, were that an upgrade.
 */
export class Entrance {
  readonly guard: Guard
  private readonly listeners = new WeakMap<object, Protection>()
  private watching = false

  constructor(guard: Guard) {
    this.guard = guard
  }

  /** A server whose requests go to `listener` is protected with its first connection. */
  expect(listener: object, protection: Protection): void {
    this.listeners.set(listener, protection)
    if (this.watching) return
    this.watching = true
    CONNECTIONS.subscribe(this.connected)
  }

  protect(server: AnyServer, protection: Protection): void {
    protect(this.guard, server, protection)
  }

  /** For a request that came before its server was protected: connections that are handed to a server by hand are announced nowhere. */
  protectServerOf(request: AnyRequest, protection: Protection): void {
    const { server } = request.socket as { server?: AnyServer }
    if (typeof server?.emit === 'function') this.protect(server, protection)
  }

  close(): void {
    this.watching = false
    CONNECTIONS.unsubscribe(this.connected)
  }

  private readonly connected = (message: unknown): void => {
    const { server } = (message as { socket: { server?: AnyServer } }).socket
    if (server === undefined) return
    for (const listener of server.listeners('request')) {
      const protection = this.listeners.get(listener) ?? this.expectedIn(listener)
      if (protection !== undefined) this.protect(server, protection)
    }
  }

  private expectedIn(application: object): Protection | undefined {
    for (const { handle } of stackOf(application)) {
      const protection = typeof handle === 'function' ? this.listeners.get(handle) : undefined
      if (protection !== undefined) return protection
    }
    return undefined
  }
}

interface Layer {
  readonly handle?: unknown
}

/** The middleware of an Express application, 4 or 5; of anything else nothing. */
function stackOf(application: object): readonly Layer[] {
  const { set, _router } = application as { set?: unknown; _router?: Router }
  if (typeof set !== 'function') return []
  try {
    const { stack } = _router ?? (application as { router?: Router }).router ?? {}
    return Array.isArray(stack) ? (stack as Layer[]) : []
  } catch {
    // Express 4 throws when it is asked for a `router`.
    return []
  }
}

interface Router {
  readonly stack?: unknown
}
