import { describe, expect, it } from 'vitest'
import type { RetryOptions, ServiceOptions } from '../../src/index.ts'
import type { Step } from '../support/fault-server.ts'
import { testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshWith } = testMeshes()

/** An answer with one more header. */
const saying =
  (status: number, ...headers: string[]): Step =>
  ({ answer, bodyRead }) =>
    void bodyRead.then(() => answer(status, 'no', headers))

/** One call to two endpoints, the first of which answers as `step` says; what came of it, and how long it took. */
async function call(step: Step, retry: RetryOptions = {}, service: ServiceOptions = {}) {
  const [first, second] = [await server(step), await server('ok')]
  const mesh = meshWith({
    random: () => 0,
    services: {
      orders: { balancing: { policy: 'round-robin' }, endpoints: [first.address, second.address], retry, timeout: '5s', ...service },
    },
  })
  await mesh.ready()
  const started = performance.now()
  const { status } = await mesh.fetch('http://orders/')
  return { status, seen: [first.requests.length, second.requests.length], tookMs: performance.now() - started, mesh }
}

describe('the service says whether and when it may be asked again', () => {
  it.each<[string, string[], number, number[]]>([
    ['a time to wait, exactly', ['grpc-retry-pushback-ms: 150'], 200, [1, 1]],
    ['no further try', ['grpc-retry-pushback-ms: -1'], 503, [1, 0]],
    ['nonsense, which is no further try', ['grpc-retry-pushback-ms: soon'], 503, [1, 0]],
    ['that a rate limit answers', ['x-envoy-ratelimited: true'], 503, [1, 0]],
  ])('%s', async (_, headers, status, seen) => {
    const found = await call(saying(503, ...headers))
    expect([found.status, found.seen]).toEqual([status, seen])
    if (status === 200) expect(found.tookMs).toBeGreaterThanOrEqual(149)
  })

  it('gRPC pushback comes before Retry-After', async () => {
    const found = await call(saying(503, 'grpc-retry-pushback-ms: 20', 'retry-after: 3'))
    expect([found.status, found.tookMs < 1_000]).toEqual([200, true])
  })

  it('with on: envoy-ratelimited what a rate limit answered is repeated, 429 too, and nothing else', async () => {
    const on: RetryOptions = { on: ['envoy-ratelimited'] }
    expect(await call(saying(429, 'x-envoy-ratelimited: true'), on)).toMatchObject({ status: 200, seen: [1, 1] })
    expect(await call(saying(429), on)).toMatchObject({ status: 429, seen: [1, 0] })
    expect(await call(saying(503), on)).toMatchObject({ status: 503, seen: [1, 0] })
  })
})

describe('rateLimitedBackoff', () => {
  const limited: RetryOptions = {
    on: ['gateway-error', 'envoy-ratelimited'],
    rateLimitedBackoff: {
      headers: [
        { name: 'X-RateLimit-Reset', format: 'unix' },
        { name: 'ratelimit-reset', format: 'seconds' },
      ],
      max: '2s',
    },
  }

  it('the first header that is usable says how long to wait', async () => {
    const inAnHour = Math.floor(Date.now() / 1_000) + 3_600
    const found = await call(saying(503, `x-ratelimit-reset: ${inAnHour}`, 'ratelimit-reset: 1'), limited)
    expect([found.status, found.tookMs >= 1_000, found.tookMs < 2_500]).toEqual([200, true, true])
  })

  it('unix time is compared with the clock on the wall', async () => {
    const found = await call(saying(503, `x-ratelimit-reset: ${Math.ceil(Date.now() / 1_000) + 1}`), limited)
    expect([found.status, found.tookMs >= 900, found.tookMs < 3_000]).toEqual([200, true, true])
  })

  it('without any of them Retry-After holds, and without that the backoff', async () => {
    const told = await call(saying(503, 'retry-after: 1'), limited)
    expect([told.status, told.tookMs >= 1_000]).toEqual([200, true])
    const untold = await call(saying(503), limited)
    expect([untold.status, untold.tookMs < 500]).toEqual([200, true])
  })
})

describe('and hedges', () => {
  const hedge = { after: 30, extraLoadPercent: 100, max: 2 }

  it('stop when a try was told that there is to be no further one', async () => {
    const late: Step = ({ answer }) => void setTimeout(() => answer(200, 'late'), 120)
    const [first, second, third] = [await server(late), await server(saying(503, 'grpc-retry-pushback-ms: -1')), await server('ok')]
    const mesh = meshWith({
      random: () => 0,
      services: { orders: { balancing: { policy: 'round-robin' }, endpoints: [first.address, second.address, third.address], hedge } },
    })
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('late')
    expect([first, second, third].map(({ requests }) => requests.length)).toEqual([1, 1, 0])
  })

  it('and if the others fail too, nothing is sent again', async () => {
    const late: Step = ({ answer }) => void setTimeout(() => answer(503, 'late'), 120)
    const [first, second, third] = [await server(late), await server(saying(503, 'grpc-retry-pushback-ms: -1')), await server('ok')]
    const mesh = meshWith({
      random: () => 0,
      services: { orders: { balancing: { policy: 'round-robin' }, endpoints: [first.address, second.address, third.address], hedge } },
    })
    expect((await mesh.fetch('http://orders/')).status).toBe(503)
    expect([first, second, third].map(({ requests }) => requests.length)).toEqual([1, 1, 0])
  })
})
