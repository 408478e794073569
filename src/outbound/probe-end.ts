import type { ProbeResult } from '../model/health.ts'

/** Ends a probe with what came of it; only the first word counts. */
export type ProbeEnd = (result: Partial<ProbeResult>) => void
