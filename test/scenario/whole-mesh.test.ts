import { describe, expect, it } from 'vitest'
import { createMesh, type Gate, type MeshOptions, staticSource } from '../../src/index.ts'
import { failureOf } from '../support/failure.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { meshErrorIn } from '../support/scenario.ts'

const { keep, serverOf } = lifetimes()

function meshOf(options: MeshOptions) {
  const mesh = createMesh(options)
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

describe('namespaces', () => {
  it('two services of one name are told apart in stats, events and errors', async () => {
    const [ours, theirs] = [await serverOf('ok'), await serverOf('ok')]
    const shop = staticSource({ services: { orders: { namespace: 'shop', endpoints: [theirs.address] } } }, { name: 'shop' })
    const mesh = meshOf({ namespace: 'web', services: { orders: { endpoints: [ours.address] } }, sources: [shop] })
    for (const host of ['orders', 'orders.web', 'orders.shop', 'orders.shop.svc']) await (await mesh.fetch(`http://${host}/`)).text()
    const { services } = mesh.stats()
    expect(Object.keys(services).sort()).toEqual(['orders', 'orders.shop'])
    expect([services['orders']?.calls, services['orders.shop']?.calls]).toEqual([2, 2])
    await theirs.close()
    expect(meshErrorIn(await failureOf(mesh.fetch('http://orders.shop/')))?.service).toBe('orders.shop')
  })

  it("a static source puts its services into the mesh's own", async () => {
    const server = await serverOf('ok')
    const mesh = meshOf({ namespace: 'web', sources: [staticSource({ services: { orders: { endpoints: [server.address] } } })] })
    expect(await (await mesh.fetch('http://orders.web.svc/')).text()).toBe('ok')
  })
})

describe('what is refused is told', () => {
  it('a refused update of a static source is an event', async () => {
    const source = staticSource({ services: {} })
    const mesh = meshOf({ sources: [source] })
    await mesh.ready()
    const heard: unknown[] = []
    mesh.on('configRejected', (event) => heard.push(event))
    const rejections = source.update({ services: { orders: { endpoints: ['nonsense'] } } })
    expect(rejections[0]?.problems[0]).toContain('services.orders.endpoints[0]: expected host:port')
    expect(heard).toEqual([{ source: 'static', rejections }])
  })

  it('an error names the resource behind it', async () => {
    const server = await serverOf('silent')
    const mesh = meshOf({
      services: { orders: { endpoints: [server.address], timeout: 80 }, empty: { endpoints: [] } },
      gates: [{ name: 'wall', admit: (call) => (call.path === '/wall' ? WALL : { settle() {} }) }],
    })
    const fromOf = async (url: string) => meshErrorIn(await failureOf(mesh.fetch(url)))?.from
    expect(await fromOf('http://orders/')).toBe('options/traffic-policy/default/orders#timeouts')
    expect(await fromOf('http://empty/')).toBe('options/endpoints/default/empty')
    expect(await fromOf('http://orders/wall')).toBe('options/gates/wall')
  })

  it('request rejects a URL that is none', async () => {
    expect(await failureOf(meshOf({}).request('orders/x'))).toMatchObject({ code: 'MESH_CONFIG' })
  })
})

const WALL = Object.freeze({ refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'no way through' } as const)

describe('time for a try', () => {
  it('a try that would not be sent again after a timeout gets all of it', async () => {
    const server = await serverOf('slow-head')
    const mesh = meshOf({ services: { orders: { endpoints: [server.address], timeout: 900, retry: { on: ['connect-failure'] } } } })
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(server.requests).toHaveLength(1)
  })
})

describe('execute', () => {
  it('asks the gates of the mesh', async () => {
    const wall: Gate = { name: 'wall', admit: () => WALL }
    expect(await failureOf(meshOf({ gates: [wall] }).execute('db', () => 1))).toMatchObject({ code: 'MESH_FORBIDDEN' })
  })

  it('is waited for by close, and seen in stats', async () => {
    const mesh = createMesh({})
    let finish = (_: string): void => {}
    const task = mesh.execute(
      'db',
      () =>
        new Promise<string>((resolve) => {
          finish = resolve
        }),
    )
    while (mesh.stats().executions['db']?.breaker !== 'closed') await new Promise((resolve) => setImmediate(resolve))
    expect(mesh.stats().executions).toEqual({ db: { running: 1, breaker: 'closed' } })
    const closed = mesh.close()
    expect(await failureOf(mesh.execute('db', () => 1))).toMatchObject({ code: 'MESH_CLOSED' })
    finish('done')
    expect(await task).toBe('done')
    await closed
  })

  it('a misspelt option is a problem', async () => {
    const options = { attempts: 9, idempotent: 'yes' } as object
    expect(String(await failureOf(meshOf({}).execute('db', () => 1, options)))).toMatch(
      /execute.attempts: unknown key\n.*execute.idempotent: expected a boolean, got yes/,
    )
  })
})
