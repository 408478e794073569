import type { AsyncLocalStorage } from 'node:async_hooks'
import { parseCallOptions } from './call-options.ts'
import { type CallSettings, NO_SETTINGS } from './engine.ts'

type Fetch = typeof globalThis.fetch

/** What `mesh.fetch` needs from the mesh. */
export interface FetchHost {
  /** Whether a service answers at `origin`, or a source may still say so. */
  wants(input: unknown): boolean
  readonly dispatcher: object
  /** Carries per-call options past the platform's fetch, which drops keys that it does not know. */
  context(): AsyncLocalStorage<CallSettings> | undefined
}

/** The URL behind fetch's first argument; undefined when it has none. */
export function urlOf(input: unknown): string | URL | undefined {
  if (typeof input === 'string' || input instanceof URL) return input
  const url = (input as { url?: unknown } | null | undefined)?.url
  return typeof url === 'string' ? url : undefined
}

/** The platform's fetch with the mesh underneath; hosts that are not ours reach it with the very same arguments. */
export function meshFetch(host: FetchHost, platform: Fetch, input: unknown, init: (RequestInit & { mesh?: unknown }) | undefined): Promise<Response> {
  if (!host.wants(input)) return platform(input as string, init)
  const { mesh, ...rest } = init ?? {}
  const send = (): Promise<Response> => platform(input as string, { ...rest, dispatcher: host.dispatcher } as RequestInit)
  if (mesh === undefined) return send()
  const context = host.context()
  try {
    const settings = parseCallOptions(mesh, context?.getStore() ?? NO_SETTINGS)
    return context === undefined ? send() : context.run(settings, send)
  } catch (error) {
    return Promise.reject(error)
  }
}
