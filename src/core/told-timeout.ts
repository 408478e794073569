/** Longest time that anybody can ask for: what a platform timer can hold, in whole days. */
const MAX_MS = 24 * 86_400_000

const GRPC_UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/**
 * Milliseconds that a `grpc-timeout` leaves (`100m`, `5S`: up to eight digits and a unit); undefined when it is none. 0 is one, and means
 * that the time is up.
 */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  const found = value === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(value)
  return found === null ? undefined : Math.min(Number(found[1]) * (GRPC_UNIT_MS[found[2] as string] as number), MAX_MS)
}

/**
 * Milliseconds that an `x-envoy-expected-rq-timeout-ms` leaves; undefined when it is none. 0 is none: nobody who counts sends it, and
 * where a zero switches timeouts off it would mean the opposite.
 */
export function parseExpectedTimeout(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,12}$/.test(value)) return undefined
  const ms = Number(value)
  return ms === 0 ? undefined : Math.min(ms, MAX_MS)
}

/** Whole milliseconds for the next hop, never 0. */
export function toldMs(remainingMs: number): number {
  return Math.max(1, Math.floor(Math.min(remainingMs, MAX_MS)))
}

/** `ms` as a `grpc-timeout`, in the finest unit that eight digits can say. */
export function grpcTimeout(ms: number): string {
  return ms < 1e8 ? `${ms}m` : `${Math.floor(ms / 1_000)}S`
}
