import { describe, expect, it } from 'vitest'
import { scenario } from '../../../src/testing/index.ts'

describe('scenarios in virtual time', () => {
  it('a 503 is tried again elsewhere', () => {
    scenario()
      .endpoint(503)
      .endpoint(200)
      .call()
      .expect({ status: 200, attempts: 2, seen: [1, 1] })
  })

  it('a call that may not be repeated is not, unless nothing was sent', () => {
    scenario().endpoint(503).endpoint(200).call({ idempotent: false }).expect({ status: 503, attempts: 1 })
    scenario().endpoint('refused').endpoint(200).call({ idempotent: false }).expect({ status: 200, attempts: 2 })
  })

  it('a hanging endpoint costs its share of the time, and no more', () => {
    const policy = { timeout: '3s', retry: { attempts: 2 } } as const
    scenario(policy).endpoint('hangs').endpoint(200).call().expect({ status: 200, notBeforeMs: 1_000, withinMs: 1_010 })
    scenario(policy).endpoint('hangs').call().expect({ status: 0, error: 'MESH_DEADLINE', withinMs: 3_000, attempts: 3 })
  })

  it('a reset ends with its code when nothing is left', () => {
    scenario({ retry: false }).endpoint('reset').call().expect({ error: 'MESH_RESET', attempts: 1 })
  })

  it('five failures eject, the time passes, and one probe brings it back', () => {
    const one = () =>
      scenario()
        .endpoint(...new Array(5).fill(500), 200)
        .endpoint(200)
        .calls(10)
    one().expect({ ejected: [true, false], seen: [5, 5] })
    one()
      .calls(10)
      .expect({ ejected: [true, false], seen: [5, 15] })
    one()
      .wait(30_000)
      .call()
      .expect({ ejected: [false, false], seen: [6, 5] })
  })

  it('a service that is down opens the breaker, which closes by a probe', () => {
    const down = () => scenario({ retry: false }).endpoint(...new Array(20).fill(503), 200)
    down().calls(20).expect({ breaker: 'open', attempts: 20 })
    down().calls(30).expect({ error: 'MESH_CIRCUIT_OPEN', attempts: 20 })
    down().calls(20).wait(5_000).call().expect({ status: 200, breaker: 'closed' })
  })

  it('says every difference', () => {
    const run = () => scenario().endpoint(200).call().expect({ status: 503, attempts: 2, notBeforeMs: 50 })
    expect(run).toThrow('status: expected 503, got 200; attempts: expected 2, got 1; took 1 ms, expected at least 50')
  })

  it('refuses what createMesh would refuse, and what the model cannot show', () => {
    expect(() => scenario({ retry: { attempts: -1 } })).toThrow('retry.attempts')
    expect(() => scenario({ limits: { maxRequests: 1 } })).toThrow('policy.limits is not modelled')
  })
})
