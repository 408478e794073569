/** Host as it is compared: lower case, without a trailing dot. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/** `host:port` apart; a host without port gives undefined. */
export function splitHost(written: string): { host: string; port: number | undefined } {
  const colon = written.lastIndexOf(':')
  const bracket = written.lastIndexOf(']')
  if (colon <= bracket || colon < 0) return { host: canonicalHost(written), port: undefined }
  return { host: canonicalHost(written.slice(0, colon)), port: Number(written.slice(colon + 1)) }
}
