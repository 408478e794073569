import type { Explanation } from '../../model/explanation.ts'

/** An explanation of which no more is known than where the call goes: every other part says that there is none. */
export function outline(route: Explanation['route'], rest: Partial<Explanation> = {}): Explanation {
  return {
    route,
    backends: [],
    candidates: [],
    gates: [],
    safeguards: [],
    timeouts: undefined,
    retry: undefined,
    rewrites: [],
    tls: 'nothing is sent',
    protocol: 'nothing is sent',
    from: {},
    ...rest,
  }
}
