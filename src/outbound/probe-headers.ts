import type { HealthCheckSettings } from '../model/resources.ts'

/** The headers of a probe as they go on the wire. */
export function revealed(headers: HealthCheckSettings['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value.reveal())]))
}

/** Who asks. */
export const PROBE_AGENT = 'inmesh-health-check'
