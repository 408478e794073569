/**
 * Why a call got no answer, or not the one of its service, in the short words of Envoy's access log (`%RESPONSE_FLAGS%`), so that
 * dashboards and habits that know them go on to work; beside each what Envoy calls it in full (`%RESPONSE_FLAGS_LONG%`).
 */
export const RESPONSE_FLAGS = {
  UH: 'NoHealthyUpstream',
  UF: 'UpstreamConnectionFailure',
  UO: 'UpstreamOverflow',
  UT: 'UpstreamRequestTimeout',
  URX: 'UpstreamRetryLimitExceeded',
  UC: 'UpstreamConnectionTermination',
  UR: 'UpstreamRemoteReset',
  UPE: 'UpstreamProtocolError',
  LR: 'LocalReset',
  NR: 'NoRouteFound',
  NC: 'NoClusterFound',
  DI: 'DelayInjected',
  FI: 'FaultInjected',
  RL: 'RateLimited',
  UAEX: 'UnauthorizedExternalService',
  SI: 'StreamIdleTimeout',
  DT: 'DurationTimeout',
  DC: 'DownstreamConnectionTermination',
  DPE: 'DownstreamProtocolError',
  OM: 'OverloadManagerTerminated',
  NFCF: 'NoFilterConfigFound',
} as const satisfies Record<string, string>

/** One of them. */
export type ResponseFlag = keyof typeof RESPONSE_FLAGS

/** Those of one failure; mostly one. Lists are shared, and frozen. */
export type ResponseFlags = readonly ResponseFlag[]

/** How often each was given. */
export type FlagCounts = Partial<Record<ResponseFlag, number>>

/** Each flag alone, made once. */
const ALONE = Object.freeze(
  Object.fromEntries(Object.keys(RESPONSE_FLAGS).map((flag) => [flag, Object.freeze([flag])])),
) as unknown as Readonly<Record<ResponseFlag, ResponseFlags>>

/** No flag: an answer came, or Envoy has no word for it. */
export const NO_FLAGS: ResponseFlags = Object.freeze([])

/** One flag, without an allocation; none for undefined, nor for what somebody else made up. */
export function flagsFrom(flag: ResponseFlag | undefined): ResponseFlags {
  return flag === undefined ? NO_FLAGS : ((ALONE as Partial<typeof ALONE>)[flag] ?? NO_FLAGS)
}

/** `flags` and one more. It allocates, and only failures need it. */
export function withFlag(flags: ResponseFlags, flag: ResponseFlag): ResponseFlags {
  return flags.includes(flag) ? flags : Object.freeze([...flags, flag])
}

/** Counts flags; nothing is there before the first one. */
export class FlagCounter {
  private readonly counts = new Map<ResponseFlag, number>()

  add(flags: ResponseFlags): void {
    for (const flag of flags) this.counts.set(flag, (this.counts.get(flag) ?? 0) + 1)
  }

  stats(): FlagCounts {
    return Object.fromEntries(this.counts)
  }
}
