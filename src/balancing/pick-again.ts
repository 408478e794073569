import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'

/** In the second after a refused connect others are preferred. */
export function refusedLately(endpoint: Endpoint, now: number): boolean {
  return now - endpoint.connectFailedAt < 1_000
}

/**
 * An endpoint of the list that is in order and that `call` did not try. The walk begins at a random place, so that what one endpoint
 * sheds is spread over all others.
 */
export function untriedIn(endpoints: readonly Endpoint[], call: Call, now: number, random: Random): Endpoint | undefined {
  let index = Math.floor(random() * endpoints.length)
  for (let step = 0; step < endpoints.length; step++) {
    const endpoint = endpoints[index] as Endpoint
    if (++index === endpoints.length) index = 0
    if (!endpoint.out && !endpoint.degraded && !refusedLately(endpoint, now) && !call.hasTried(endpoint)) return endpoint
  }
  return undefined
}

/** The best of the endpoints that `call` did not try: usable, level by level, then usable but refused in the past second, then those that are out. */
export function pickUntried(all: readonly Endpoint[], levels: Levels, call: Call, now: number, random: Random): Endpoint | undefined {
  const found = firstUntried(levels, call, now, random)
  if (found !== undefined) return found
  let out: Endpoint | undefined
  let index = Math.floor(random() * all.length)
  for (let step = 0; step < all.length; step++) {
    const endpoint = all[index] as Endpoint
    if (++index === all.length) index = 0
    if (call.hasTried(endpoint)) continue
    if (!endpoint.out) return endpoint
    out ??= endpoint
  }
  return out
}

/** An endpoint that is in order, of the first level of which `call` tried nobody. */
export function nextLevel(levels: Levels, call: Call, now: number, random: Random): Endpoint | undefined {
  const others = levels.filter(({ members }) => !members.some((endpoint) => call.hasTried(endpoint)))
  return firstUntried(others, call, now, random)
}

type Levels = readonly { readonly members: readonly Endpoint[] }[]

function firstUntried(levels: Levels, call: Call, now: number, random: Random): Endpoint | undefined {
  for (const { members } of levels) {
    const found = untriedIn(members, call, now, random)
    if (found !== undefined) return found
  }
  return undefined
}

/** Any endpoint that was not refused lately, from a random place on. */
export function pickConnecting(all: readonly Endpoint[], now: number, random: Random): Endpoint | undefined {
  let index = Math.floor(random() * all.length)
  for (let step = 0; step < all.length; step++) {
    const endpoint = all[index] as Endpoint
    if (++index === all.length) index = 0
    if (!refusedLately(endpoint, now)) return endpoint
  }
  return undefined
}
