/**
 * A request path as it is compared with rules: without query and fragment, escapes of ordinary characters written out, dots
 * resolved, slashes merged. Two spellings of what a server takes for one path must not get around a rule for it.
 *
 * The guard has a reading of its own (`security/canonical/pathname.ts`), and not this one: a request that came in may be refused, so there a
 * broken escape, bytes that are no UTF-8 or a slash escaped twice is an answer 400. A call that this process makes is not ours to refuse for
 * how its path is spelt: here a broken escape stays as it stands, and the rule is asked all the same.
 */
export function canonicalPath(path: string): string {
  let end = path.search(/[?#]/)
  if (end < 0) end = path.length
  const bare = path.slice(0, end)
  if (PLAIN.test(bare)) return bare
  const segments: string[] = []
  const decoded = bare.replace(/%([0-9a-f]{2})/gi, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16))
    return /[!-~]/.test(character) && character !== '%' ? character : escaped.toUpperCase()
  })
  const written = decoded.split(/[/\\]/)
  for (const segment of written) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  const last = written.at(-1)
  const open = segments.length > 0 && (last === '' || last === '.' || last === '..')
  return `/${segments.join('/')}${open ? '/' : ''}`
}

/** Whether `path` (canonical) is `prefix` or lies below it; by whole segments. */
export function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  return path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/'
}

/** Nothing to resolve: no escape, no backslash, no empty segment and none that begins with a dot. */
const PLAIN = /^(?:\/[\w~!$&'()*+,;=:@-][\w.~!$&'()*+,;=:@-]*)+\/?$|^\/$/
