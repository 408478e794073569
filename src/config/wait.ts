import { type Duration, parseDuration } from '../core/duration.ts'
import { MeshError } from '../core/errors.ts'

/** How long `ready` and `close` wait unless told otherwise. */
const DEFAULT_WAIT_MS = 10_000

/**
 * Milliseconds that the option at `path` asks to wait.
 * @throws MeshError `MESH_CONFIG` when it is no duration
 */
export function waitMs(path: string, timeout: Duration | undefined): number {
  if (timeout === undefined) return DEFAULT_WAIT_MS
  const ms = parseDuration(timeout)
  if (ms === undefined)
    throw new MeshError('MESH_CONFIG', {
      reason: `${path}: expected a duration such as 250, '250ms' or '2s', at most 24 days, got ${String(timeout)}`,
    })
  return ms
}
