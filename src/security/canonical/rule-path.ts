import { canonicalPathname } from './pathname.ts'

/**
 * A path of a rule as the guard reads the paths of requests, so that the two can be equal; undefined when no request has such a path.
 * Escaped slashes and semicolons may be let through, so that rules may name them.
 * @param path without query and fragment
 */
export function rulePath(path: string): string | undefined {
  if (!path.startsWith('/') || /[?#]/.test(path)) return undefined
  const read = canonicalPathname(path, { normalize: 'merge-slashes', escapedSlashes: 'keep', parameters: 'keep', routing: undefined })
  return typeof read === 'string' ? read : undefined
}
