import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { MeshOptions, ServiceOptions, TrafficPolicyOptions } from '../../src/index.ts'
import type { Step } from '../support/fault-server.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

interface Case {
  /** What the server does; without it the service has no server. */
  step?: Step
  orders?: ServiceOptions
  options?: MeshOptions
  method?: string
  url?: string
  code: string
  flags: string[]
}

const deny: TrafficPolicyOptions = { name: 'no', target: { service: 'orders' }, action: 'deny' }
const detour: TrafficPolicyOptions = { name: 'away', target: { service: 'orders' }, action: 'redirect', redirectTo: 'nobody' }
const noBudget = { budget: { percent: 0, minPerSecond: 0 } }

describe('the flags of an error', () => {
  it.each<[string, Case]>([
    ['no endpoint', { code: 'MESH_NO_ENDPOINT', flags: ['UH'] }],
    ['no connection', { orders: { endpoints: ['127.0.0.1:1'] }, code: 'MESH_CONNECT', flags: ['UF', 'URX'] }],
    ['no connection, no retries', { orders: { endpoints: ['127.0.0.1:1'], retry: false }, code: 'MESH_CONNECT', flags: ['UF'] }],
    ['a reset that may not be sent again', { step: 'rst-after-request', method: 'POST', code: 'MESH_RESET', flags: ['UC'] }],
    ['a reset each time', { step: 'rst-after-request', code: 'MESH_RESET', flags: ['UC', 'URX'] }],
    ['no budget left', { step: 'rst-after-request', orders: { retry: noBudget }, code: 'MESH_RESET', flags: ['UC', 'UO'] }],
    ['no answer in time', { step: 'silent', orders: { timeout: '150ms' }, code: 'MESH_DEADLINE', flags: ['UT'] }],
    ['silence in the body', { step: 'head-then-stall', orders: { idleTimeout: '150ms' }, code: 'MESH_DEADLINE', flags: ['SI'] }],
    ['a body cut off', { step: 'rst-in-body', code: 'MESH_RESET', flags: ['UC'] }],
    ['no HTTP', { step: 'garbage', code: 'MESH_PROTOCOL', flags: ['UPE'] }],
    ['a limit', { step: 'ok', orders: { limits: { maxRequests: 0 } }, code: 'MESH_OVERLOADED', flags: ['UO'] }],
    ['an injected error', { step: 'ok', orders: { fault: { abort: { code: 'MESH_RESET' } } }, code: 'MESH_RESET', flags: ['FI'] }],
    [
      'an injected delay and error',
      {
        orders: { endpoints: [], fault: { delay: { duration: 5 }, abort: { code: 'MESH_FAULT' } } },
        code: 'MESH_FAULT',
        flags: ['DI', 'FI'],
      },
    ],
    [
      'an injected delay beyond the deadline',
      { orders: { endpoints: [], timeout: 50, fault: { delay: { duration: '5s' } } }, code: 'MESH_DEADLINE', flags: ['DI', 'UT'] },
    ],
    ['a policy', { options: { policies: [deny] }, code: 'MESH_FORBIDDEN', flags: ['UAEX'] }],
    ['a detour to nobody', { options: { policies: [detour] }, code: 'MESH_UNKNOWN_SERVICE', flags: ['NC'] }],
    ['a stranger', { options: { unknownHosts: 'refuse' }, url: 'http://else/', code: 'MESH_UNKNOWN_SERVICE', flags: ['NR'] }],
    [
      'no rule',
      {
        options: { routes: [{ hosts: ['shop'], rules: [{ match: [{ method: 'PUT' }], respond: { status: 200 } }] }] },
        url: 'http://shop/',
        code: 'MESH_UNKNOWN_SERVICE',
        flags: ['NR'],
      },
    ],
  ])('%s', async (_, { step, orders = {}, options = {}, method = 'GET', url = 'http://orders/', code, flags }) => {
    const endpoints = step === undefined ? [] : [(await server(step)).address]
    const mesh = meshOf({ services: { orders: { endpoints, ...orders } }, ...options } as MeshOptions)
    await mesh.ready()
    const call = mesh.fetch(url, { method, ...(method === 'POST' ? { body: 'x' } : {}) }).then((response) => response.text())
    const error = await failure(call)
    expect([error.code, error.flags]).toEqual([code, flags])
    const { flags: counted, errors } = mesh.stats().services['orders'] ?? {}
    // What never became a call of the service is counted by nobody.
    if (url === 'http://orders/' && flags[0] !== 'NC') {
      expect(counted).toEqual(Object.fromEntries(flags.map((flag) => [flag, 1])))
      expect(errors).toEqual({ [code]: 1 })
    } else expect(counted).toEqual({})
  })

  it('an open breaker, a rate limit, a closed mesh', async () => {
    const orders = { endpoints: [], circuitBreaker: { minRequests: 1 } }
    const users = { endpoints: ['127.0.0.1:1'], rateLimit: { requests: 1, per: '1h' as const }, retry: false as const }
    const mesh = meshOf({ services: { orders, users } })
    await mesh.ready()
    for (const service of ['orders', 'users']) await failure(mesh.fetch(`http://${service}/`))
    expect((await failure(mesh.fetch('http://orders/'))).flags).toEqual(['UO'])
    expect((await failure(mesh.fetch('http://users/'))).flags).toEqual(['RL'])
    await mesh.close()
    expect(await failure(mesh.fetch('http://orders/'))).toMatchObject({ code: 'MESH_CLOSED', flags: ['LR'] })
  })
})

describe('flags of calls that end without an error of the mesh', () => {
  it('retries in vain, a caller that leaves, injected answers and delays', async () => {
    const [failing, silent] = [await server(503), await server('silent')]
    const mesh = meshOf({
      services: {
        failing: { endpoints: [failing.address] },
        once: { endpoints: [failing.address], retry: false },
        silent: { endpoints: [silent.address] },
        faulty: { endpoints: [], fault: { delay: { duration: 1 }, abort: { status: 418 } } },
      },
    })
    await mesh.ready()
    for (const service of ['failing', 'once', 'faulty']) await (await mesh.fetch(`http://${service}/`)).text()
    const controller = new AbortController()
    const left = mesh.fetch('http://silent/', { signal: controller.signal }).catch((error: Error) => error.name)
    await expect.poll(() => silent.requests.length).toBe(1)
    controller.abort()
    expect(await left).toBe('AbortError')
    const flags = Object.fromEntries(Object.entries(mesh.stats().services).map(([name, stats]) => [name, stats.flags]))
    expect(flags).toEqual({ failing: { URX: 1 }, once: {}, silent: { DC: 1 }, faulty: { DI: 1, FI: 1 } })
  })
})

describe('flags in events', () => {
  it('of tries that are sent again, of refusals, faults and fallbacks', async () => {
    const orders = await server('rst-after-request', 503, 200)
    const mesh = meshOf({
      services: {
        orders: { endpoints: [orders.address] },
        full: { endpoints: [], limits: { maxRequests: 0 }, fallback: { respond: { status: 200 } } },
        slow: { endpoints: [orders.address], fault: { delay: { duration: 1 } } },
      },
    })
    const told: unknown[] = []
    for (const name of ['retry', 'refused', 'fallback', 'faultInjected'] as const)
      mesh.on(name, ({ service, flags }) => told.push([name, service, flags]))
    for (const service of ['orders', 'full', 'slow']) await (await mesh.fetch(`http://${service}/`)).text()
    expect(told).toEqual([
      ['retry', 'orders', ['UC']],
      ['retry', 'orders', []],
      ['refused', 'full', ['UO']],
      ['fallback', 'full', ['UO']],
      ['faultInjected', 'slow', ['DI']],
    ])
  })
})

describe('flags of requests that come in', () => {
  it('by whom they are refused', async () => {
    const mesh = meshOf({ service: 'web', inbound: { authorization: [{ name: 'nobody', action: 'allow' }] } } as MeshOptions)
    const told: unknown[] = []
    mesh.on('refused', ({ gate, flags }) => told.push([gate, flags]))
    const web = createServer(mesh.handler((_, response) => void response.end()) as never)
    await new Promise<void>((resolve) => void web.listen(0, '127.0.0.1', resolve))
    const { port } = web.address() as AddressInfo
    for (const path of ['/', '/a%2fb']) await (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    await new Promise((resolve) => web.close(resolve))
    expect(told).toEqual([
      ['authorization', ['UAEX']],
      ['canonical', ['DPE']],
    ])
    expect(mesh.stats().inbound.flags).toEqual({ UAEX: 1, DPE: 1 })
  })
})

describe('an error in a log', () => {
  it('as JSON it says everything, and nothing that hangs on its cause', async () => {
    const mesh = meshOf({ services: { orders: { endpoints: ['127.0.0.1:1'], retry: false } } })
    const error = await failure(mesh.fetch('http://orders/', { headers: { authorization: 'Bearer secret' } }))
    Object.assign(error.cause as object, { request: { headers: { authorization: 'Bearer secret' } } })
    const said = JSON.parse(JSON.stringify(error)) as Record<string, unknown>
    expect(said).toEqual({
      name: 'MeshError',
      code: 'MESH_CONNECT',
      flags: ['UF'],
      message: `orders: ${error.reason}`,
      reason: error.reason,
      service: 'orders',
      endpoint: '127.0.0.1:1',
      tries: 1,
      retryable: true,
      status: 503,
      from: 'options/endpoints/default/orders',
      cause: { name: 'DialError', message: expect.stringContaining('ECONNREFUSED'), code: 'ECONNREFUSED' },
    })
    expect(inspect(error)).toContain("flags: [ 'UF' ]")
  })
})
