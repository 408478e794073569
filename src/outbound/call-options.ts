import { parseDuration } from '../core/duration.ts'
import { MeshError } from '../core/errors.ts'
import type { CallOptions } from '../model/options.ts'
import { metadataKey } from '../plan/choice.ts'
import { type CallSettings, NO_SETTINGS } from './engine.ts'

const KNOWN: ReadonlySet<string> = new Set(['timeout', 'idempotent', 'hashKey', 'priority', 'retries', 'metadata', 'detached'])

/**
 * Checks per-call options; what they leave out comes from `base`.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function parseCallOptions(options: unknown, base: CallSettings = NO_SETTINGS): CallSettings {
  if (options === undefined || options === null) return base
  if (typeof options !== 'object' || Array.isArray(options)) throw invalid([`mesh: expected an object, got ${typeof options}`])
  const problems: string[] = []
  const { timeout, idempotent, hashKey, priority, retries, metadata, detached } = options as CallOptions
  for (const key of Object.keys(options)) if (!KNOWN.has(key)) problems.push(`mesh.${key}: unknown key`)
  const timeoutMs = timeout === undefined ? base.timeoutMs : parseDuration(timeout)
  if (timeout !== undefined && (timeoutMs === undefined || timeoutMs === 0)) {
    problems.push(`mesh.timeout: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got ${print(timeout)}`)
  }
  if (idempotent !== undefined && typeof idempotent !== 'boolean')
    problems.push(`mesh.idempotent: expected a boolean, got ${print(idempotent)}`)
  if (hashKey !== undefined && typeof hashKey !== 'string') problems.push(`mesh.hashKey: expected a string, got ${print(hashKey)}`)
  if (priority !== undefined && priority !== 'low' && priority !== 'normal' && priority !== 'high') {
    problems.push(`mesh.priority: expected low, normal or high, got ${print(priority)}`)
  }
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 0 && retries <= 10)) {
    problems.push(`mesh.retries: expected an integer from 0 to 10, got ${print(retries)}`)
  }
  if (detached !== undefined && typeof detached !== 'boolean') problems.push(`mesh.detached: expected a boolean, got ${print(detached)}`)
  if (metadata !== undefined && !isMetadata(metadata))
    problems.push(`mesh.metadata: expected an object with 1 to 32 texts, got ${print(metadata)}`)
  if (problems.length > 0) throw invalid(problems)
  const { within } = base
  const alone = detached ?? base.detached
  return {
    timeoutMs,
    idempotent: idempotent ?? base.idempotent,
    hashKey: hashKey ?? base.hashKey,
    priority: priority ?? base.priority,
    retries: retries ?? base.retries,
    metadata: metadata === undefined ? base.metadata : { key: metadataKey(metadata), wanted: { ...metadata } },
    notAfter: alone ? Number.POSITIVE_INFINITY : Math.min(base.notAfter, within?.notAfter ?? Number.POSITIVE_INFINITY),
    within,
    detached: alone,
  }
}

function isMetadata(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const values: unknown[] = Object.values(value)
  return values.length > 0 && values.length <= 32 && values.every((each) => typeof each === 'string')
}

function invalid(problems: string[]): MeshError {
  return new MeshError('MESH_CONFIG', { reason: problems.join('\n') })
}

function print(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
