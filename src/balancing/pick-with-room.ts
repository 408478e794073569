import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'

/**
 * The endpoint that takes a try in place of one that is full: any usable one that has room, from a random
 * place on; one that the call has not tried where there is one. Undefined when all are full.
 */
export function pickWithRoom(
  usable: readonly Endpoint[],
  call: Call,
  hasRoom: (endpoint: Endpoint) => boolean,
  random: Random,
): Endpoint | undefined {
  let tried: Endpoint | undefined
  let index = Math.floor(random() * usable.length)
  for (let step = 0; step < usable.length; step++) {
    const endpoint = usable[index] as Endpoint
    if (++index === usable.length) index = 0
    if (!hasRoom(endpoint)) continue
    if (call.tries === 0 || !call.hasTried(endpoint)) return endpoint
    tried ??= endpoint
  }
  return tried
}
