import type { Priority } from '../core/call.ts'

/** The header of the mesh itself: `low`, `normal` or `high`. */
const MESH_PRIORITY = 'x-mesh-priority'
/** The header of RFC 9218. */
const URGENCY = 'priority'

/**
 * How urgent a request says it is, read from its raw headers without making anything of them. Only for peers that are trusted: anybody
 * would call his own request urgent.
 * @param header the only one to look into; default the mesh's own, then `Priority` (RFC 9218)
 */
export function requestPriority(rawHeaders: readonly string[], header?: string): Priority {
  let urgency: Priority = 'normal'
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    const wanted = header === undefined ? isHeader(name, MESH_PRIORITY) || isHeader(name, URGENCY) : isHeader(name, header)
    if (!wanted) continue
    const found = parsePriority(rawHeaders[at + 1] as string)
    if (found === undefined) continue
    if (header !== undefined || isHeader(name, MESH_PRIORITY)) return found
    urgency = found
  }
  return urgency
}

/** `low`, `normal`, `high`, or an urgency of RFC 9218: of 0 to 7 three is normal, what is below it more urgent. */
export function parsePriority(value: string): Priority | undefined {
  const written = value.trim().toLowerCase()
  if (written === 'low' || written === 'normal' || written === 'high') return written
  const urgency = /(?:^|,)\s*u=([0-7])\s*(?:[,;]|$)/.exec(written)?.[1]
  return urgency === undefined ? undefined : Number(urgency) < 3 ? 'high' : urgency === '3' ? 'normal' : 'low'
}

function isHeader(name: string, lowerCase: string): boolean {
  return name.length === lowerCase.length && name.toLowerCase() === lowerCase
}
