import type { EndpointSpec } from '../core/endpoint.ts'
import { SubsetMembers } from './subset-members.ts'

/**
 * The `size` endpoints of each priority that a process with this `seed` uses while all of them are in use: those whose ids score lowest
 * under it (rendezvous hashing, as in gRFC A68). Every process takes others, each endpoint is taken by about as many processes, and one
 * that comes or goes changes one place at most. The order stays, and nothing is copied where there are no more than `size`.
 */
export function subsetOf(specs: readonly EndpointSpec[], size: number, seed: number): readonly EndpointSpec[] {
  const members = new SubsetMembers(() => seed, usable)
  members.size = size
  const steps = members.steps(specs, 0)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

function usable(): boolean {
  return true
}
