/** A path as it stands before a problem: `services.orders.endpoints[1].weight`, `services["a b"]`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((sofar, key) => {
    if (typeof key === 'number') return `${sofar}[${key}]`
    const name = String(key)
    if (!/^[\w-]+$/.test(name)) return `${sofar}[${JSON.stringify(name)}]`
    return sofar === '' ? name : `${sofar}.${name}`
  }, '')
}

/** One thing that is wrong, and where. */
export interface Problem {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** `services.orders.timeout: expected …`. */
export function problemText({ path, message }: Problem): string {
  return path.length === 0 ? message : `${pathText(path)}: ${message}`
}

/** What is said of a key that nobody knows: the one that was meant, where that can be guessed. */
export function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known)
  return near === undefined ? 'unknown key' : `unknown key, did you mean "${near}"?`
}

/** The one among `known` that was probably meant, if there is one. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(written.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  if (near !== undefined && near.distance <= Math.max(1, Math.floor(written.length / 3))) return near.candidate
  // Another form of the same word: `retries` for `retry`, `endpoint` for `endpoints`.
  const stem = written.toLowerCase().slice(0, Math.max(MIN_STEM, Math.ceil(written.length / 2)))
  const alike = stem.length < MIN_STEM ? [] : known.filter((each) => each.toLowerCase().startsWith(stem))
  return alike.length === 1 ? alike[0] : undefined
}

/** Fewer letters in common say nothing. */
const MIN_STEM = 4

/** Levenshtein distance; keys are short, so the plain table will do. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
