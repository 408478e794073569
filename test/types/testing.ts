// What tests of the mesh's users are written with.
import { createMesh } from 'inmesh'
import { loadXxHash64 } from 'inmesh/balancing'
import { type Profile, type SimulationReport, scenario, simulate, steady, VirtualClock } from 'inmesh/testing'
import { holds, type Same } from './expect.ts'

export const mesh = createMesh({ clock: new VirtualClock() })

export const ownProfile: Profile = ({ now, inflight, random }) => ({ latencyMs: inflight + random(), status: now < 1_000 ? 503 : 200 })

export async function keyed(): Promise<void> {
  const endpoints = [{ profile: ownProfile, bad: (now: number) => now < 1_000 }, { profile: steady(5) }]
  const found = simulate({
    endpoints,
    perSecond: 10,
    forMs: 1_000,
    policy: { balancing: { policy: 'maglev' } },
    hash: await loadXxHash64(),
  })
  holds<Same<typeof found, SimulationReport>>()
  // @ts-expect-error a report is for reading
  found.calls = 0
}

scenario({ retry: false }).endpoint(503, 'hangs', { latencyMs: 5 }, ownProfile).call().expect({ status: 503 })
// @ts-expect-error no such step
scenario().endpoint('explodes')
// @ts-expect-error no such option of a service
scenario({ retries: 1 })
