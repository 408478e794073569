import type { Clock } from '../core/clock.ts'
import { meshErrorWithoutStack } from '../core/errors.ts'
import { DEFAULT_POLICY } from '../model/defaults.ts'
import type { CallSettings } from './engine.ts'

/** What a wait for sources needs from the mesh. */
export interface SourceWaitHost {
  readonly engine: { readonly clock: Clock }
  whenReady(then: (error: unknown) => void): void
}

/**
 * Calls back once every source has answered, with what prevents it; or, since a source may never answer, with the error of a call that waited
 * as long as for its answer. Whoever waits keeps the process alive.
 * @param origin whom somebody may still name
 */
export function waitForSources(
  host: SourceWaitHost,
  origin: unknown,
  settings: CallSettings,
  then: (late: unknown, error: unknown) => void,
): void {
  const timeoutMs = settings.timeoutMs ?? DEFAULT_POLICY.timeouts.headTimeoutMs
  let waiting = true
  const end = (late: unknown, error: unknown): void => {
    if (!waiting) return
    waiting = false
    timer.cancel()
    then(late, error)
  }
  const reason = `no source named ${String(origin)} within ${Math.round(timeoutMs)} ms, and not all of them have answered`
  const timer = host.engine.clock.setTimer(() => end(meshErrorWithoutStack('MESH_DEADLINE', { reason }), undefined), timeoutMs)
  host.whenReady((error) => end(undefined, error))
}
