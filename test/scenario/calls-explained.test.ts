import { createServer } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createMesh, isMeshError, type Mesh, type MeshOptions } from '../../src/index.ts'
import type { CallOptions } from '../../src/model/options.ts'
import { failureOf } from '../support/failure.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { get } from '../support/raw-request.ts'

const { keep, listen, serverOf } = lifetimes()
const URL = 'http://orders/'

function meshOf(options: MeshOptions): Mesh {
  const mesh = createMesh(options)
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

const orders = (more: object = {}): Mesh =>
  meshOf({ services: { orders: { endpoints: ['10.0.0.1:80', '10.0.0.2:80'], timeout: '3s', ...more } } })

describe('the options of a call are told as they hold for it', () => {
  it('nothing is told of them where there are none', () => {
    expect(orders().explain({ url: URL })).not.toHaveProperty('call')
  })

  it('timeout', () => {
    const { timeouts, call, rewrites } = orders().explain({ url: URL, mesh: { timeout: '900ms' } })
    expect(timeouts).toMatchObject({ timeoutMs: 900, headTimeoutMs: 900, perTryTimeoutMs: 300, idleTimeoutMs: 60_000 })
    expect(timeouts?.from).toMatchObject({
      timeoutMs: 'this call',
      headTimeoutMs: 'this call',
      perTryTimeoutMs: 'this call',
      idleTimeoutMs: 'built-in/defaults//inmesh#timeouts',
    })
    expect(call).toEqual({ timeout: { value: 900, from: 'this call' } })
    expect(rewrites).toHaveLength(2)
  })

  it('a bound of a try that is longer than the call', () => {
    const mesh = orders({ retry: { perTryTimeout: '2s' } })
    expect(mesh.explain({ url: URL, mesh: { timeout: '1s' } }).timeouts).toMatchObject({
      perTryTimeoutMs: 1_000,
      from: { perTryTimeoutMs: 'this call' },
    })
    expect(mesh.explain({ url: URL }).timeouts?.from.perTryTimeoutMs).toBe('options/traffic-policy/default/orders#retry')
  })

  it.each<[CallOptions, string, { applies: boolean; idempotent: boolean; because: string }, again: boolean]>([
    [
      { idempotent: true },
      'POST',
      {
        applies: true,
        idempotent: true,
        because: 'it is said to be idempotent (this call): broken tries and unavailable answers are repeated',
      },
      true,
    ],
    [
      { idempotent: false },
      'GET',
      { applies: true, idempotent: false, because: 'it is said not to be idempotent (this call): only what was never sent is repeated' },
      false,
    ],
    [{ retries: 0 }, 'GET', { applies: false, idempotent: true, because: 'retries are switched off (this call)' }, false],
  ])('%j of a %s', (mesh, method, expected, again) => {
    const { retry, gates } = orders().explain({ url: URL, method, mesh })
    expect(retry).toMatchObject(expected)
    expect(retry?.cases.find(({ after }) => after === 'reset')?.again).toBe(again)
    expect(gates.some(({ name }) => name === 'retry-budget')).toBe(expected.applies)
  })

  it('retries more than the service has, and hedges', () => {
    const mesh = orders({ hedge: { after: '10ms' } })
    expect(mesh.explain({ url: URL, mesh: { retries: 5 } })).toMatchObject({ retry: { attempts: 5 }, hedge: { applies: true } })
    expect(mesh.explain({ url: URL, mesh: { retries: 0 } }).hedge).toMatchObject({
      applies: false,
      because: 'it is sent once: retries 0 (this call)',
    })
  })

  it('metadata', () => {
    const endpoints = ['v1', 'v2'].map((version, at) => ({ address: `10.0.0.${at + 1}:80`, metadata: { version } }))
    const { selection, candidates } = orders({ endpoints }).explain({ url: URL, mesh: { metadata: { version: 'v2' } } })
    expect(selection).toMatchObject({ taken: 'version v2', from: 'this call' })
    expect(candidates.map(({ share }) => share)).toEqual([0, 1])
  })

  it('priority, of which the gates hear', async () => {
    const server = await serverOf(503)
    const mesh = meshOf({
      services: { orders: { endpoints: [server.address], throttle: { minPerSecond: 0 }, retry: false, circuitBreaker: false } },
    })
    for (let call = 0; call < 20; call++) await failureOf(mesh.fetch(URL))
    const state = (priority: 'low' | 'normal' | 'high') =>
      mesh.explain({ url: URL, mesh: { priority } }).gates.find(({ name }) => name === 'throttle')?.state
    expect(state('low')).toMatch(/^refuses \d+(\.\d)? % of calls of low priority$/)
    const percent = (text = '') => Number(/[\d.]+/.exec(text)?.[0])
    expect(percent(state('high'))).toBeLessThanOrEqual(percent(state('normal')))
    expect(percent(state('normal'))).toBeLessThanOrEqual(percent(state('low')))
    expect(mesh.explain({ url: URL, mesh: { priority: 'low' } }).rewrites.join()).toContain('x-inmesh-priority is added: low')
  })

  it('all problems of both come at once', () => {
    const ask = () => orders().explain({ url: 'nothing', mesh: { timeout: 'soon', retrys: 1 } as CallOptions })
    expect(ask).toThrow(/explain\.url: .*\n.*explain\.mesh\.retrys: unknown key.*\n.*explain\.mesh\.timeout: expected/s)
  })
})

describe('and as the call itself finds them', () => {
  it('the key leads the call where it was said to', async () => {
    const servers = await Promise.all([1, 2, 3].map(() => serverOf()))
    const mesh = meshOf({ services: { orders: { endpoints: servers.map(({ address }) => address), balancing: { policy: 'maglev' } } } })
    // The first call waits for what keys are hashed with.
    await (await mesh.fetch(URL)).arrayBuffer()
    for (const hashKey of ['ada', 'bob', 'cy']) {
      const told = mesh.explain({ url: URL, mesh: { hashKey } }).candidates.find(({ share }) => share === 1)
      expect(told?.because).toBe('this request goes here, by the key of this call: chosen among the usable by maglev')
      const tries = () => mesh.stats().services['orders']?.endpoints.find(({ address }) => address === told?.address)?.tries ?? 0
      const before = tries()
      await (await mesh.fetch(URL, { mesh: { hashKey } })).arrayBuffer()
      expect(tries()).toBe(before + 1)
    }
  })

  it('mesh.with, and what the call says itself goes before', async () => {
    const mesh = orders()
    const told = mesh.with({ timeout: '1s', priority: 'low' }, () => mesh.explain({ url: URL, mesh: { timeout: '2s' } }))
    expect(told.call).toEqual({ timeout: { value: 2_000, from: 'this call' }, priority: { value: 'low', from: 'mesh.with' } })
    expect(mesh.with({ timeout: '1s' }, () => mesh.explain({ url: URL })).timeouts).toMatchObject({
      timeoutMs: 1_000,
      from: { timeoutMs: 'mesh.with' },
    })
  })

  it('beneath a request that came in: what is left of its time, its priority, its lane', async () => {
    const silent = await serverOf('silent')
    const mesh = meshOf({
      services: { orders: { endpoints: [silent.address], lanes: {} } },
      context: { trust: 'anyone', forward: ['x-lane'] },
    })
    const answer = mesh.handler(async (_, response) => {
      const told = mesh.explain({ url: URL })
      const detached = mesh.explain({ url: URL, mesh: { detached: true } })
      const began = performance.now()
      const thrown = (await failureOf(mesh.fetch(URL))) as { cause: unknown }
      const code = isMeshError(thrown.cause) ? thrown.cause.code : 'none'
      response.end(JSON.stringify({ told, detached, code, took: performance.now() - began }))
    })
    const port = await listen(createServer(answer as Parameters<typeof createServer>[0]))
    const { body } = await get(port, '/', ['Host: web', 'x-envoy-expected-rq-timeout-ms: 400', 'x-inmesh-priority: high', 'x-lane: blue'])
    const { told, detached } = JSON.parse(body)
    expect(told.call).toMatchObject({
      priority: { value: 'high', from: 'the request that came in' },
      deadline: { from: 'the request that came in' },
    })
    expect(told.timeouts.from.headTimeoutMs).toBe('the request that came in')
    expect(told.timeouts.headTimeoutMs).toBeLessThanOrEqual(400)
    expect(told.rewrites.join()).toMatch(/lane blue.*traceparent is added.*x-lane is added/)
    expect(detached.call).toMatchObject({ detached: { value: true, from: 'this call' } })
    expect(detached.call).not.toHaveProperty('deadline')
    expect(detached.timeouts.headTimeoutMs).toBe(15_000)
  })
})
