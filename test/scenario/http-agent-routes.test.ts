import { type ClientRequest, get, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { Mesh, RuleOptions } from '../../src/index.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

interface Answer {
  status: number | undefined
  body: string
}

function answerOf(sent: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response: IncomingMessage) => {
      text(response).then((body) => resolve({ status: response.statusCode, body }), reject)
    })
  })
}

const getBy = (mesh: Mesh, url: string, options: RequestOptions = {}): Promise<Answer> =>
  answerOf(get(url, { ...options, agent: mesh.httpAgent() }))

/** What the service saw, and by which of the two. */
async function start(rules: RuleOptions[], ready = true) {
  const [orders, next] = [await server('echo'), await server('echo')]
  const mesh = meshOf({
    services: { orders: { endpoints: [orders.address] }, next: { endpoints: [next.address] } },
    routes: [{ name: 'shop', hosts: ['shop'], rules }],
  })
  if (ready) await mesh.ready()
  return { mesh, orders, next }
}

describe('mesh.httpAgent() and the rules of routes', () => {
  it('the first rule that matches says which service gets the request', async () => {
    const { mesh, orders, next } = await start([
      { match: [{ headers: [{ name: 'X-Canary', exact: '1' }] }], backends: [{ service: 'next' }] },
      { backends: [{ service: 'orders' }] },
    ])
    await getBy(mesh, 'http://shop/a', { headers: { 'x-canary': '1' } })
    await getBy(mesh, 'http://shop/b')
    expect([orders, next].map(({ requests }) => requests.map(({ path }) => path))).toEqual([['/b'], ['/a']])
    expect(mesh.stats().routes['shop']?.rules).toMatchObject({ 'rules[0]': { calls: 1 }, 'rules[1]': { calls: 1 } })
  })

  it('path, host and headers are written anew, and a body goes along', async () => {
    const { mesh, orders } = await start([
      {
        match: [{ path: { pathSeparatedPrefix: '/api' } }],
        backends: [{ service: 'orders' }],
        rewrite: { prefix: '/v1', host: 'orders.internal' },
        headers: { request: { remove: ['x-gone'], set: { 'x-set': 'b' }, add: { 'x-more': '2' } } },
      },
    ])
    const sent = request('http://shop/api/orders?x=1', {
      method: 'POST',
      agent: mesh.httpAgent(),
      headers: { 'X-Gone': '1', 'x-set': 'a', 'x-many': '1' },
    })
    sent.end('body')
    expect(await answerOf(sent)).toMatchObject({ status: 200 })
    const [seen] = orders.requests
    expect(seen).toMatchObject({ method: 'POST', path: '/v1/orders?x=1' })
    expect(seen?.headers).toMatchObject({ host: 'orders.internal', 'x-set': 'b', 'x-many': '1', 'x-more': '2' })
    expect(seen?.headers).not.toHaveProperty('x-gone')
  })

  it('a timeout of the rule bounds the call', async () => {
    const slow = await server('silent')
    const mesh = meshOf({
      services: { orders: { endpoints: [slow.address] } },
      routes: [{ hosts: ['shop'], rules: [{ name: 'short', backends: [{ service: 'orders' }], timeout: 50 }] }],
    })
    await mesh.ready()
    expect(await failure(getBy(mesh, 'http://shop/'))).toMatchObject({
      code: 'MESH_DEADLINE',
      message: expect.stringContaining('the rule short of the route'),
    })
  })

  it.each<[what: string, rule: RuleOptions, says: string]>([
    ['an answer of the rule itself', { name: 'r', respond: { status: 200 } }, 'the rule r of the route shop answers it'],
    ['a redirect', { name: 'r', redirect: { host: 'elsewhere' } }, 'the rule r of the route shop redirects it'],
  ])('%s is refused, with the way out', async (_, rule, says) => {
    const { mesh, orders } = await start([rule])
    expect(await failure(getBy(mesh, 'http://shop/'))).toMatchObject({
      code: 'MESH_CONFIG',
      message: expect.stringContaining(`${says}, which mesh.httpAgent() cannot do: call through another door`),
      from: 'options/route/default/shop#r',
    })
    expect(orders.requests).toEqual([])
  })

  it('a request that no rule matches fails as through every door', async () => {
    const { mesh } = await start([{ match: [{ path: { exact: '/a' } }], backends: [{ service: 'orders' }] }])
    expect(await failure(getBy(mesh, 'http://shop/b'))).toMatchObject({ code: 'MESH_UNKNOWN_SERVICE' })
  })

  it('a head that was written already goes as it is where nothing changes it, and is refused where something does', async () => {
    const list = { headers: ['Host', 'shop', 'x-a', '1'] as never }
    const plain = await start([{ backends: [{ service: 'orders' }] }])
    expect(await getBy(plain.mesh, 'http://shop/', list)).toMatchObject({ status: 200 })
    const edited = await start([{ backends: [{ service: 'orders' }], headers: { request: { set: { 'x-b': '2' } } } }])
    expect(await failure(getBy(edited.mesh, 'http://shop/', list))).toMatchObject({
      code: 'MESH_CONFIG',
      message: expect.stringContaining('which was written before'),
    })
    expect(edited.orders.requests).toEqual([])
  })

  it('before the mesh is ready a request waits and then follows its route', async () => {
    const { mesh, orders } = await start([{ backends: [{ service: 'orders' }] }], false)
    expect(await getBy(mesh, 'http://shop/a')).toMatchObject({ status: 200 })
    expect(orders.requests).toHaveLength(1)
  })
})
