import type { Timer } from '../../core/clock.ts'
import { meshErrorWithoutStack } from '../../core/errors.ts'
import { headerRecord } from './redirect.ts'
import type { FetchRequest } from './request.ts'

/** What a hop out of the mesh needs. */
export interface WayOut {
  /** The platform's fetch. */
  readonly platform: typeof globalThis.fetch
  setTimer(fire: () => void, delayMs: number): Timer
}

/**
 * A hop to a host outside the mesh goes the platform's way, dispatcher and proxies included: one hop, whose head may take as long as the
 * call still waits. An answer that says to look elsewhere comes back as it is.
 * @param service whose redirect leads there
 * @throws what the platform's fetch throws, or MeshError `MESH_DEADLINE`
 */
export async function leave(out: WayOut, request: FetchRequest, service: string, remainingMs: number): Promise<Response> {
  const { method, headers, body, signal, origin, path, fragment } = request
  const late = new AbortController()
  const timer = out.setTimer(() => late.abort(), remainingMs)
  try {
    return await out.platform(origin + path + fragment, {
      method,
      headers: headerRecord(headers),
      redirect: 'manual',
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
      ...(body === undefined ? {} : { body: body as string }),
    })
  } catch (error) {
    if (!late.signal.aborted) throw error
    throw meshErrorWithoutStack('MESH_DEADLINE', { service, reason: `no answer from ${origin}, where ${service} redirected to, in time` })
  } finally {
    timer.cancel()
  }
}
