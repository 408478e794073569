/**
 * A request path as it is compared with rules: without query and fragment, escapes of ordinary characters written out, dots
 * resolved, slashes merged. Two spellings of what a server takes for one path must not get around a rule for it.
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
