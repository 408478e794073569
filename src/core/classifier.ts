import type { FailureKind, Verdict } from './outcome.ts'

/**
 * The one judge of answers: breaker, outlier detection, retry and metrics all hear the same verdict.
 * An answer below 500 is a success, 5xx a failure (as Envoy's `consecutive_5xx` counts).
 */
export interface Classifier {
  judgeStatus(status: number): Verdict
  judgeFailure(kind: FailureKind): Verdict
}

/** 5xx and every broken try are failures; what this process or its caller did is held against nobody. */
export const defaultClassifier: Classifier = {
  judgeStatus: (status) => (status >= 500 ? 'failure' : 'success'),
  judgeFailure: (kind) => (kind === 'aborted' || kind === 'local' ? 'ignored' : 'failure'),
}

/** Statuses by which a service says that it is unavailable, as against broken (500) or refusing (4xx). */
export function isUnavailableStatus(status: number): boolean {
  return status === 502 || status === 503 || status === 504
}
