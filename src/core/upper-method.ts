/** What nearly every request asks for. */
const CAPITALS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE', 'QUERY'])

/**
 * `method` in capitals, since frameworks route `get` as `GET`. Node gives the usual ones in capitals already, and making a text that is
 * there costs several hundred instructions each time somebody asks.
 */
export function upperMethod(method: string): string {
  return CAPITALS.has(method) ? method : method.toUpperCase()
}
