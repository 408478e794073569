/** What a JSON object says: frozen to the bottom, without prototypes. */
export type Claims = Readonly<Record<string, unknown>>

/**
 * Reads the JSON object that a part of a token is. Undefined: it is none, it is nested too deep, or a name is in it twice, of which
 * one reader takes the first and another the last. What comes out is shared by all requests with the token, so nobody can change it.
 */
export function parseStrictObject(text: string): Claims | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined
  const members = { left: membersWritten(text) }
  const sealed = seal(parsed, members, MAX_DEPTH)
  // JSON.parse keeps one of two members with one name: then fewer are there than were written.
  return members.left === 0 ? (sealed as Claims | undefined) : undefined
}

/** Members of all objects in valid JSON: as many as there are colons outside of strings. */
function membersWritten(text: string): number {
  let count = 0
  let inside = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) inside = !inside
    else if (inside && code === BACKSLASH) at++
    else if (!inside && code === COLON) count++
  }
  return count
}

function seal(value: unknown, members: { left: number }, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) {
    members.left = Number.NaN
    return undefined
  }
  if (Array.isArray(value)) return Object.freeze(value.map((each) => seal(each, members, depth - 1)))
  const copy = Object.create(null) as Record<string, unknown>
  for (const [key, each] of Object.entries(value)) {
    members.left--
    copy[key] = seal(each, members, depth - 1)
  }
  return Object.freeze(copy)
}

const QUOTE = 34
const BACKSLASH = 92
const COLON = 58
const MAX_DEPTH = 32
