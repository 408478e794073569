import type { AsyncLocalStorage } from 'node:async_hooks'
import { MeshError } from '../core/errors.ts'
import { parseCallOptions } from './call-options.ts'
import { type CallSettings, NO_SETTINGS } from './engine.ts'

type Fetch = typeof globalThis.fetch

/** Whose a URL is: `unknown` while a source may still name it. */
export type Ownership = 'ours' | 'theirs' | 'unknown'

/** What `mesh.fetch` needs from the mesh. */
export interface FetchHost {
  owner(input: unknown): Ownership
  /** Resolves when `unknown` has become one or the other. */
  settled(): Promise<void>
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

type Init = RequestInit & { mesh?: unknown }

/** The platform's fetch with the mesh underneath; hosts that are not ours reach it with the very same arguments. */
export async function meshFetch(host: FetchHost, platform: Fetch, input: unknown, init: Init | undefined): Promise<Response> {
  if (host.owner(input) === 'unknown') await host.settled()
  if (host.owner(input) === 'theirs') return platform(input as string, init)
  const { mesh, ...rest } = init ?? {}
  const send = (): Promise<Response> => platform(input as string, { ...rest, dispatcher: host.dispatcher } as RequestInit)
  if (mesh === undefined) return send()
  const context = host.context()
  if (context === undefined)
    throw new MeshError('MESH_CONFIG', {
      reason: 'the mesh option of fetch needs AsyncLocalStorage, and this mesh was made with context: false',
    })
  return context.run(parseCallOptions(mesh, context.getStore() ?? NO_SETTINGS), send)
}
