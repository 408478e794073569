/** The value of the cookie `name` in a `Cookie` header, without quotes; undefined when it is missing or empty. */
export function cookieIn(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
    const value = pair.slice(equals + 1).trim()
    return (value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value) || undefined
  }
  return undefined
}
