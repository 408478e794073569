import type { TokenProviderSettings } from '../../model/authentication.ts'
import type { UnprovedToken } from './token.ts'

/**
 * What the application gets as headers from a token that was proved. Text goes as it is, numbers and booleans as text, lists and
 * objects as base64url of their JSON (as Envoy has it). Text that no header can carry is left out, not mangled.
 */
export function claimHeaders(
  token: UnprovedToken,
  { claimHeaders: wanted, payloadHeader }: TokenProviderSettings,
): readonly (readonly [name: string, value: string])[] {
  const headers: (readonly [string, string])[] = []
  for (const { header, claim } of wanted) {
    const value = textOf(claimAt(token.claims, claim))
    if (value !== undefined) headers.push([header, value])
  }
  if (payloadHeader !== undefined) headers.push([payloadHeader, token.payload])
  return headers
}

/** A claim of this very name (many are URLs, with dots), or else the path into nested ones. */
function claimAt(claims: unknown, path: string): unknown {
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return undefined
  const own = (claims as Record<string, unknown>)[path]
  if (own !== undefined) return own
  const dot = path.indexOf('.')
  return dot < 0 ? undefined : claimAt((claims as Record<string, unknown>)[path.slice(0, dot)], path.slice(dot + 1))
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) ? value : undefined
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'object' && value !== null ? Buffer.from(JSON.stringify(value)).toString('base64url') : undefined
}
