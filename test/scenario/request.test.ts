import { describe, it } from 'vitest'
import { DOORS } from '../support/doors.ts'
import { scenario } from '../support/scenario.ts'

describe.each(DOORS)('through %s', (door) => {
  const call = () => scenario().through(door)

  it('an answer comes back', () => call().upstream('ok').call('/').expect({ status: 200, body: 'ok', attempts: 1 }))
  it('a 503 is tried again', () => call().upstream(503, 200).call('/').expect({ status: 200, attempts: 2 }))
  it('a 503 that stays goes to the caller', () => call().upstream(503).call('/').expect({ status: 503, attempts: 3 }))
  it('a 500 goes to the caller', () => call().upstream(500).call('/').expect({ status: 500, attempts: 1 }))
  it('a POST is not tried again', () => call().upstream(503).call('/', { method: 'POST', body: 'x' }).expect({ status: 503, attempts: 1 }))
  it('a POST with a key is', () =>
    call()
      .upstream(503, 200)
      .call('/', { method: 'POST', body: 'x', headers: { 'idempotency-key': '1' } })
      .expect({ status: 200, attempts: 2 }))
  it('refused endpoints are passed over', () =>
    call()
      .refused()
      .refused()
      .upstream('ok')
      .call('/')
      .expect({ status: 200, seen: [0, 0, 1] }))
  it('all refused is MESH_CONNECT', () => call().refused().refused().call('/').expect({ error: 'MESH_CONNECT', withinMs: 1_500 }))
  it('no endpoint at all', () => call().options({ endpoints: [] }).call('/').expect({ error: 'MESH_NO_ENDPOINT' }))
  it('a server that never answers', () =>
    call()
      .upstream('silent')
      .options({ retry: { attempts: 0 } })
      .call('/', { mesh: { timeout: 300 } })
      .expect({ error: 'MESH_DEADLINE', notBeforeMs: 300, withinMs: 500 }))
  it('the next one answers when one never does', () =>
    call()
      .upstream('silent')
      .upstream('ok')
      .options({ timeout: 900, retry: { perTryTimeout: 200 } })
      .call('/')
      .expect({ status: 200, notBeforeMs: 200, withinMs: 450 }))
  it('a reset GET is repeated', () => call().upstream('rst-after-request', 'ok').call('/').expect({ status: 200, attempts: 2 }))
  it('a reset POST is not', () =>
    call().upstream('rst-after-request', 'ok').call('/', { method: 'POST', body: 'x' }).expect({ error: 'MESH_RESET', attempts: 1 }))
})
