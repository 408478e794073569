import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type TlsOptions } from '../../src/index.ts'
import { accepting, blackHole } from '../support/connect-faults.ts'
import { FaultServer } from '../support/fault-server.ts'
import { meshErrorIn, scenario } from '../support/scenario.ts'
import { CertificateAuthority, type Credentials, tlsFront } from '../support/tls.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** Keeps `made` until the end of the test. */
async function keep<T extends { close(): unknown }>(made: Promise<T>): Promise<T> {
  const it = await made
  cleanups.push(() => it.close())
  return it
}

function connectError(host: string): Promise<string | undefined> {
  return new Promise((resolve) => connect(80, host).on('error', (error: NodeJS.ErrnoException) => resolve(error.code)))
}

describe('connecting', () => {
  it('1 of 2, 2 of 3 and 9 of 10 refusing: no call is lost', async () => {
    for (const refusing of [1, 2, 9]) {
      const good = await FaultServer.start('ok')
      const dead = await Promise.all(Array.from({ length: refusing }, () => FaultServer.start()))
      await Promise.all(dead.map((server) => server.close()))
      const mesh = createMesh({ services: { orders: { endpoints: [...dead.map(({ address }) => address), good.address] } } })
      for (let call = 0; call < 200; call++) {
        const response = await mesh.fetch('http://orders/')
        expect(await response.text()).toBe('ok')
      }
      await mesh.close()
      await good.close()
    }
  })

  it('a POST moves on from a refused endpoint: nothing of it was sent', () =>
    scenario()
      .refused()
      .upstream('ok')
      .call('/', { method: 'POST', body: 'order' })
      .expect({ status: 200, seen: [0, 1] }))

  // Linux refuses TCP to a multicast address at once with ENETUNREACH, whatever the routes of the machine are.
  it.runIf(process.platform === 'linux')('an unreachable endpoint is passed over at once', async () => {
    const good = await keep(FaultServer.start('ok'))
    const unreachable = await connectError('224.0.0.1')
    expect(unreachable).toBe('ENETUNREACH')
    const orders = { connectTimeout: '5s', endpoints: ['224.0.0.1:80', good.address] }
    const mesh = await keep(Promise.resolve(createMesh({ allowAddresses: ['224.0.0.0/4'], services: { orders } })))
    const startedAt = performance.now()
    for (let turn = 0; turn < 10; turn++)
      expect(await (await mesh.fetch('http://orders/', { method: 'POST', body: 'x' })).text()).toBe('ok')
    expect(mesh.stats().services['orders']?.endpoints[0]?.failures).toBeGreaterThan(0)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })

  it('retries switched off: a refused connect goes to the caller', () =>
    scenario()
      .refused()
      .upstream('ok')
      .options({ retry: false })
      .call()
      .expect({ error: 'MESH_CONNECT', seen: [0, 0] }))

  for (const [name, how] of [
    ['a reset', 'rst'],
    ['a close', 'fin'],
  ] as const) {
    it(`accept, then ${name}: the next endpoint answers`, async () => {
      const { address: bad } = await keep(accepting(how))
      const good = await FaultServer.start('ok')
      cleanups.push(() => good.close())
      const mesh = createMesh({ services: { orders: { endpoints: [bad, good.address] } } })
      cleanups.push(() => mesh.close())
      for (let call = 0; call < 20; call++) expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
    })
  }

  it('a black hole times out as set, and the next endpoint answers', async () => {
    const good = await FaultServer.start('ok')
    cleanups.push(() => good.close())
    const mesh = createMesh({
      random: () => 0,
      services: {
        orders: { balancing: { policy: 'round-robin' }, connectTimeout: 300, endpoints: [(await keep(blackHole())).address, good.address] },
      },
    })
    cleanups.push(() => mesh.close())
    const startedAt = performance.now()
    expect(await (await mesh.fetch('http://orders/', { method: 'POST', body: 'x' })).text()).toBe('ok')
    const took = performance.now() - startedAt
    expect(took).toBeGreaterThanOrEqual(299)
    expect(took).toBeLessThan(450)
  })

  it('a TLS handshake that hangs times out as set', async () => {
    const { address: bad } = await keep(accepting('silent'))
    const mesh = createMesh({ services: { orders: { connectTimeout: 200, retry: false, endpoints: [bad], tls: { mode: 'simple' } } } })
    cleanups.push(() => mesh.close())
    const startedAt = performance.now()
    const error = await mesh.fetch('http://orders/').catch((thrown: unknown) => thrown)
    expect(meshErrorIn(error)?.code).toBe('MESH_TLS')
    const took = performance.now() - startedAt
    expect(took).toBeGreaterThanOrEqual(199)
    expect(took).toBeLessThan(400)
  })

  it('a call gives up connecting at its own deadline', async () => {
    const mesh = createMesh({ services: { orders: { connectTimeout: '5s', endpoints: [(await keep(blackHole())).address] } } })
    cleanups.push(() => mesh.close())
    const startedAt = performance.now()
    const error = await mesh.fetch('http://orders/', { mesh: { timeout: 200 } }).catch((thrown: unknown) => thrown)
    expect(meshErrorIn(error)?.code).toBe('MESH_DEADLINE')
    expect(meshErrorIn(error)?.name).toBe('TimeoutError')
    expect(performance.now() - startedAt).toBeLessThan(350)
  })
})

describe('certificates', () => {
  const authority = new CertificateAuthority()
  const valid = (): Credentials => authority.issue({ names: ['orders'] })

  /** One call over TLS to a server with `leaf`: what came of it, and what the server read of the request. */
  async function call(leaf: Credentials, tls: TlsOptions = {}, clientCa?: string) {
    const plain = await keep(FaultServer.start('ok'))
    const front = await keep(tlsFront(plain.address, leaf, clientCa))
    const options = { endpoints: [front.address], retry: false as const, tls: { ca: authority.cert, ...tls } }
    const mesh = await keep(Promise.resolve(createMesh({ services: { orders: options } })))
    const init = { method: 'POST', body: 'secret', headers: { authorization: 'secret' } }
    const outcome = await mesh.fetch('http://orders/', init).then(
      (response) => response.status,
      (error: unknown) => meshErrorIn(error)?.code,
    )
    return { outcome, bytes: front.bytesIn, requests: plain.requests.length, clients: front.clients.length }
  }

  it('a valid one is believed', async () => {
    expect(await call(valid())).toMatchObject({ outcome: 200, requests: 1 })
  })

  it.each([
    ['expired', () => authority.issue({ names: ['orders'], notAfter: new Date(Date.now() - 1_000) })],
    ['not yet valid', () => authority.issue({ names: ['orders'], notBefore: new Date(Date.now() + 60_000) })],
    ['for another name', () => authority.issue({ names: ['payments'] })],
    ['of an unknown authority', () => new CertificateAuthority('somebody else').issue({ names: ['orders'] })],
    ['of an impostor with the same name', () => new CertificateAuthority().issue({ names: ['orders'] })],
  ] as const)('one that is %s: not one byte of the request is sent', async (_, issue) => {
    expect(await call(issue())).toEqual({ outcome: 'MESH_TLS', bytes: 0, requests: 0, clients: 0 })
  })

  it('serverName is what is checked', async () => {
    expect(await call(authority.issue({ names: ['payments'] }), { serverName: 'payments' })).toMatchObject({ outcome: 200 })
    expect(await call(valid(), { serverName: 'payments' })).toMatchObject({ outcome: 'MESH_TLS', bytes: 0 })
  })

  it('a client shows its own where it is asked', async () => {
    const { cert, key } = authority.issue({ names: ['web'] })
    expect(await call(valid(), { cert, key }, authority.cert)).toMatchObject({ outcome: 200, clients: 1 })
  })

  it('an endpoint with a bad certificate is passed over, and the next answers', async () => {
    const plain = await keep(FaultServer.start('ok'))
    const bad = await keep(tlsFront(plain.address, authority.issue({ names: ['payments'] })))
    const good = await keep(tlsFront(plain.address, valid()))
    const orders = { endpoints: [bad.address, good.address], tls: { ca: authority.cert } }
    const mesh = await keep(Promise.resolve(createMesh({ services: { orders } })))
    for (let turn = 0; turn < 10; turn++) expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(bad.bytesIn).toBe(0)
  })
})
