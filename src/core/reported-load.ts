/**
 * The weight of one endpoint that follows from what it reports of its load (gRFC A58). Kept with the endpoint, so that
 * a push makes nobody forget.
 */
export interface ReportedLoad {
  weight: number
  /** Clock times of the first report since the last silence, and of the newest. */
  since: number
  at: number
}
