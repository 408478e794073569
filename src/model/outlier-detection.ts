import type { Duration } from '../core/duration.ts'

/**
 * Takes endpoints that fail out of the balancer for a while. `algorithm` says by whose rules; each has its own fields. A section that names
 * none is of `inmesh`, whatever the sections below it say.
 */
export type OutlierDetectionOptions = InmeshOutlierOptions | EnvoyOutlierOptions | GrpcOutlierOptions

/** Our own rules: right for few endpoints and for little traffic, since everybody is compared with the others alone. */
export interface InmeshOutlierOptions {
  /** Default `inmesh`. */
  algorithm?: 'inmesh'
  /** Failures in a row that eject. Default 5. */
  consecutiveFailures?: number
  /** First ejection; grows by this much each time. Default 30s. */
  ejectFor?: Duration
  /** Longest ejection. Default 5m. */
  maxEjectFor?: Duration
  /** At most this share is out at once, yet always one of two. Default 50. */
  maxEjectedPercent?: number
  /** The time that shares and quantiles look back, and after which the growth of the next ejection shrinks by a step. Default 10s. */
  interval?: Duration
  /** Share of failed answers in an interval that ejects, 1–100, or false. Default 50. */
  failurePercent?: number | false
  /** A quantile beyond this bound in an interval ejects, or false. A duration is the bound alone. Default 1s. */
  latency?: Duration | LatencyRuleOptions | false
  /** Answers in an interval before share or quantile are looked at. Default 20. */
  minRequests?: number
  /** `relative`: only who also fails significantly more often, or is several times as slow, as the others together. Default `relative`. */
  compare?: 'relative' | 'absolute'
}

/** When an endpoint is too slow. */
export interface LatencyRuleOptions {
  /** Default 1s. */
  bound?: Duration
  /** 50–99.9: 99 sees an endpoint that hangs once in fifty times, which 90 does not. Default 90. */
  quantile?: number
  /** How many times the others' quantile it must be, 1–1000. Default 3. */
  times?: number
}

/** Envoy's rules to the letter, field by field with its defaults: none is ejected of fewer than ten endpoints at `maxEjectedPercent` 10. */
export interface EnvoyOutlierOptions {
  algorithm: 'envoy'
  /** Answers from 500 on in a row; 0: no such rule. Default 5. */
  consecutive5xx?: number
  /** Answers 502, 503 and 504 in a row; 0: no such rule. Default 5. */
  consecutiveGatewayFailure?: number
  /** Tries without an answer in a row, where errors are split; 0: no such rule. Default 5. */
  consecutiveLocalOriginFailure?: number
  /** Tries without an answer (connect, reset, timeout) are judged apart from answers; else they count as 503 and 504. Default false. */
  splitExternalLocalOriginErrors?: boolean
  /** How many of a hundred findings of a rule eject; the rest is only counted. Default 100, 0, 100. */
  enforcingConsecutive5xxPercent?: number
  enforcingConsecutiveGatewayFailurePercent?: number
  enforcingConsecutiveLocalOriginFailurePercent?: number
  /** Who succeeds less often than the mean by so many standard deviations. */
  successRate?: EnvoyRuleOptions & {
    /** Thousandths. Default 1900. */
    stdevFactor?: number
  }
  /** Who fails so often. Off unless something is enforced. */
  failurePercentage?: EnvoyRuleOptions & {
    /** Default 85. */
    thresholdPercent?: number
  }
  /** Default 10s. */
  interval?: Duration
  /** First ejection; grows by this much each time. Default 30s. */
  baseEjectionTime?: Duration
  /** Default 5m, or `baseEjectionTime` where that is longer. */
  maxEjectionTime?: Duration
  /** Up to so much is added to each ejection. Default 0. */
  maxEjectionTimeJitter?: Duration
  /** Default 10. */
  maxEjectedPercent?: number
  /** Default false. */
  alwaysEjectOneHost?: boolean
  /** Default true. */
  successfulActiveHealthCheckUnejectHost?: boolean
  /** Not Envoy's: an ejection ends with one try, as in `inmesh`, instead of the full traffic. Default false. */
  probe?: boolean
}

/** What both of Envoy's rules over an interval have. */
export interface EnvoyRuleOptions {
  /** Endpoints with `requestVolume` answers that there must be. Default 5. */
  minimumHosts?: number
  /** Answers in an interval. Default 100 for the success rate, 50 for the failure percentage. */
  requestVolume?: number
  /** How many of a hundred findings eject. Default 100 for the success rate, 0 for the failure percentage. */
  enforcingPercent?: number
  /** The same for errors of local origin, where they are split. Default as before. */
  enforcingLocalOriginPercent?: number
}

/** gRPC's rules (gRFC A50), field by field with its defaults: without `successRate` and `failurePercentage` nothing happens. */
export interface GrpcOutlierOptions {
  algorithm: 'grpc'
  /** Default 10s. */
  interval?: Duration
  /** First ejection; grows by this much each time. Default 30s. */
  baseEjectionTime?: Duration
  /** Default 5m. */
  maxEjectionTime?: Duration
  /** Nobody more is ejected once so many are, which always allows one. Default 10. */
  maxEjectedPercent?: number
  /** Default false. */
  successRate?:
    | (GrpcRuleOptions & {
        /** Thousandths. Default 1900. */
        stdevFactor?: number
      })
    | false
  /** Default false. */
  failurePercentage?:
    | (GrpcRuleOptions & {
        /** Must be exceeded. Default 85. */
        thresholdPercent?: number
      })
    | false
  /** Not gRPC's: an ejection ends with one try, as in `inmesh`, instead of the full traffic. Default false. */
  probe?: boolean
}

/** What both of gRPC's rules have. */
export interface GrpcRuleOptions {
  /** How many of a hundred findings eject. Default 100. */
  enforcementPercent?: number
  /** Endpoints with `requestVolume` answers that there must be. Default 5. */
  minimumHosts?: number
  /** Answers in an interval. Default 100 for the success rate, 50 for the failure percentage. */
  requestVolume?: number
}

/** Outlier detection as it is in force, by whichever rules. */
export type OutlierDetectionSettings = OutlierSettings | EnvoyOutlierSettings | GrpcOutlierSettings

/** The same as one resource wrote it: fields that were not written are absent, and without `algorithm` it is of `inmesh`. */
export type OutlierSections =
  | Partial<OutlierSettings>
  | (Partial<EnvoyOutlierSettings> & Pick<EnvoyOutlierSettings, 'algorithm'>)
  | (Partial<GrpcOutlierSettings> & Pick<GrpcOutlierSettings, 'algorithm'>)

/** {@link InmeshOutlierOptions}, checked. `false`: no such rule. */
export interface OutlierSettings {
  readonly algorithm?: 'inmesh'
  readonly consecutiveFailures: number
  readonly ejectForMs: number
  readonly maxEjectForMs: number
  readonly maxEjectedPercent: number
  readonly intervalMs: number
  readonly failurePercent: number | false
  readonly latency: LatencyRuleSettings | false
  readonly minRequests: number
  readonly compare: 'relative' | 'absolute'
}

/** When an endpoint is too slow, complete. */
export interface LatencyRuleSettings {
  readonly boundMs: number
  readonly quantile: number
  readonly times: number
}

/** {@link EnvoyOutlierOptions}, checked. */
export interface EnvoyOutlierSettings {
  readonly algorithm: 'envoy'
  readonly consecutive5xx: number
  readonly consecutiveGatewayFailure: number
  readonly consecutiveLocalOriginFailure: number
  readonly splitExternalLocalOriginErrors: boolean
  readonly enforcingConsecutive5xxPercent: number
  readonly enforcingConsecutiveGatewayFailurePercent: number
  readonly enforcingConsecutiveLocalOriginFailurePercent: number
  readonly successRate: EnvoyRuleSettings & { readonly stdevFactor: number }
  readonly failurePercentage: EnvoyRuleSettings & { readonly thresholdPercent: number }
  readonly intervalMs: number
  readonly baseEjectionMs: number
  /** Undefined: five minutes. The first ejection is never cut short by it. */
  readonly maxEjectionMs: number | undefined
  readonly maxEjectionJitterMs: number
  readonly maxEjectedPercent: number
  readonly alwaysEjectOneHost: boolean
  readonly successfulActiveHealthCheckUnejectHost: boolean
  readonly probe: boolean
}

/** What both of Envoy's rules have, complete. */
export type EnvoyRuleSettings = Readonly<Required<EnvoyRuleOptions>>

/** {@link GrpcOutlierOptions}, checked. */
export interface GrpcOutlierSettings {
  readonly algorithm: 'grpc'
  readonly intervalMs: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  readonly maxEjectedPercent: number
  readonly successRate: (GrpcRuleSettings & { readonly stdevFactor: number }) | false
  readonly failurePercentage: (GrpcRuleSettings & { readonly thresholdPercent: number }) | false
  readonly probe: boolean
}

/** What both of gRPC's rules have, complete. */
export type GrpcRuleSettings = Readonly<Required<GrpcRuleOptions>>

/** What a section of `algorithm: 'envoy'` starts from: what Envoy does where nobody says otherwise. */
export const DEFAULT_ENVOY_OUTLIERS = Object.freeze({
  algorithm: 'envoy',
  consecutive5xx: 5,
  consecutiveGatewayFailure: 5,
  consecutiveLocalOriginFailure: 5,
  splitExternalLocalOriginErrors: false,
  enforcingConsecutive5xxPercent: 100,
  enforcingConsecutiveGatewayFailurePercent: 0,
  enforcingConsecutiveLocalOriginFailurePercent: 100,
  successRate: Object.freeze({
    stdevFactor: 1_900,
    minimumHosts: 5,
    requestVolume: 100,
    enforcingPercent: 100,
    enforcingLocalOriginPercent: 100,
  }),
  failurePercentage: Object.freeze({
    thresholdPercent: 85,
    minimumHosts: 5,
    requestVolume: 50,
    enforcingPercent: 0,
    enforcingLocalOriginPercent: 0,
  }),
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: undefined,
  maxEjectionJitterMs: 0,
  maxEjectedPercent: 10,
  alwaysEjectOneHost: false,
  successfulActiveHealthCheckUnejectHost: true,
  probe: false,
}) satisfies EnvoyOutlierSettings

/** What a section of `algorithm: 'grpc'` starts from. */
export const DEFAULT_GRPC_OUTLIERS = Object.freeze({
  algorithm: 'grpc',
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectedPercent: 10,
  successRate: false,
  failurePercentage: false,
  probe: false,
}) satisfies GrpcOutlierSettings

/** What gRPC's success rate starts from where it is written. */
export const DEFAULT_GRPC_SUCCESS_RATE = Object.freeze({ stdevFactor: 1_900, enforcementPercent: 100, minimumHosts: 5, requestVolume: 100 })
/** What gRPC's failure percentage starts from where it is written. */
export const DEFAULT_GRPC_FAILURE_PERCENTAGE = Object.freeze({
  thresholdPercent: 85,
  enforcementPercent: 100,
  minimumHosts: 5,
  requestVolume: 50,
})
