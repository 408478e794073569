import { describe, expect, it } from 'vitest'
import { type Mesh, type ServiceOptions, seededRandom, staticSource } from '../../src/index.ts'
import type { FaultServer } from '../support/fault-server.ts'
import { failure, tally, testMeshes } from '../support/mesh-with.ts'

const { server, mesh } = testMeshes()

/** Whoever cannot be reached once is out, however many that are; the breaker does not interfere. */
const QUICK: ServiceOptions = { outlierDetection: { consecutiveFailures: 1, maxEjectedPercent: 100 }, circuitBreaker: false }

async function servers(count: number): Promise<FaultServer[]> {
  return Promise.all(Array.from({ length: count }, () => server(200)))
}

/** What becomes of many calls, a few at a time. */
async function outcomes(made: Mesh, count: number): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (let begun = 0; begun < count; begun += 20) {
    const group = Array.from({ length: 20 }, async () => (await made.fetch('http://orders/')).arrayBuffer())
    for (const [name, times] of Object.entries(await tally(group))) found[name] = (found[name] ?? 0) + times
  }
  return found
}

async function calls(made: Mesh, count: number): Promise<void> {
  expect(await outcomes(made, count)).toEqual({ answered: count })
}

/** Percent of the requests since the last look that each group saw. */
function percents(...groups: FaultServer[][]): number[] {
  const seen = groups.map((group) => group.reduce((sum, { requests }) => sum + requests.splice(0).length, 0))
  const sum = seen.reduce((all, each) => all + each, 0)
  return seen.map((each) => Math.round((each * 100) / sum))
}

/** As many calls as find every dead endpoint out, and then those that are looked at. */
async function shares(made: Mesh, ...groups: FaultServer[][]): Promise<number[]> {
  await calls(made, 80)
  percents(...groups)
  await calls(made, 400)
  return percents(...groups)
}

function near(found: readonly number[], expected: readonly number[]): void {
  for (const [index, percent] of expected.entries())
    expect(Math.abs((found[index] as number) - percent), `${found}`).toBeLessThanOrEqual(10)
}

const inZone = (group: FaultServer[], zone: string) => group.map(({ address }) => ({ address, locality: { region: 'eu', zone } }))

describe('over real sockets', () => {
  it('a priority whose endpoints die one after the other hands its calls on in proportion, and no call is lost', async () => {
    const [first, second] = [await servers(5), await servers(5)]
    const endpoints = [first, second].flatMap((group, priority) => group.map(({ address }) => ({ address, priority })))
    const made = mesh({ random: seededRandom(1), services: { orders: { endpoints, ...QUICK } } })
    near(await shares(made, first, second), [100, 0])
    for (const expected of [
      [100, 0],
      [84, 16],
      [56, 44],
      [28, 72],
    ]) {
      await first.shift()?.close()
      near(await shares(made, first, second), expected)
    }
    await first[0]?.close()
    near(await shares(made, first, second), [0, 100])
    const { priorities, panic } = made.stats().services['orders'] ?? {}
    expect([priorities?.map(({ sharePercent, healthy }) => [healthy, sharePercent]), panic]).toEqual([
      [
        [0, 0],
        [5, 100],
      ],
      false,
    ])
    expect(made.explain({ url: 'http://orders/' }).priorities?.map(({ because }) => because)).toEqual([
      '0 of 5 healthy: nobody to send a call to',
      '5 of 5 healthy: they take 100 %',
    ])
  })

  it('calls stay in our zone, leave it in proportion as it fails, and altogether when it is gone', async () => {
    const zones = [await servers(3), await servers(3), await servers(3)] as const
    const endpoints = zones.flatMap((group, index) => inZone(group, `eu-${index + 1}`))
    const made = mesh({
      random: seededRandom(2),
      locality: { region: 'eu', zone: 'eu-1' },
      services: { orders: { endpoints, ...QUICK } },
    })
    near(await shares(made, ...zones), [100, 0, 0])
    await zones[0][0]?.close()
    // Two of eight endpoints for a third of the callers.
    near(await shares(made, ...zones), [75, 13, 13])
    await Promise.all(zones[0].slice(1).map((each) => each.close()))
    near(await shares(made, ...zones), [0, 50, 50])
    expect(made.explain({ url: 'http://orders/' }).priorities?.[0]?.where).toBe(
      'zones do not count: no endpoint of our zone (eu/eu-1) is healthy',
    )
  })

  it('our own service, when it is in the configuration, says where the callers are; what is pushed counts at once', async () => {
    const zones = [await servers(3), await servers(3)] as const
    const orders = { endpoints: zones.flatMap((group, index) => inZone(group, `eu-${index + 1}`)), ...QUICK }
    const web = (...where: string[]) => ({
      endpoints: where.map((zone, index) => ({ address: `127.0.0.1:${index + 1}`, locality: { zone } })),
    })
    const source = staticSource({ services: { orders, web: web('eu-1', 'eu-1', 'eu-1', 'eu-2') } })
    const made = mesh({
      random: seededRandom(3),
      service: 'web',
      locality: { region: 'eu', zone: 'eu-1' },
      sources: [source],
    })
    await made.ready()
    // Half of the endpoints for three quarters of the callers.
    near(await shares(made, ...zones), [67, 33])
    source.update({ services: { orders, web: web('eu-1', 'eu-2') } })
    near(await shares(made, ...zones), [100, 0])
    source.update({ services: { orders: { ...orders, locality: false }, web: web('eu-1', 'eu-2') } })
    near(await shares(made, ...zones), [50, 50])
    source.update({ services: { orders: { ...orders, locality: { mode: 'weighted', weights: { 'eu/eu-2': 3, 'eu/eu-1': 1 } } } } })
    near(await shares(made, ...zones), [25, 75])
    source.update({ services: { orders: { ...orders, locality: { mode: 'failover' } } } })
    near(await shares(made, ...zones), [100, 0])
    await Promise.all(zones[0].map((each) => each.close()))
    near(await shares(made, ...zones), [0, 100])
  })

  it('a further try goes to a priority that was not tried', async () => {
    const [first, second] = [await servers(3), await servers(2)]
    for (const each of first) each.behave(503)
    const endpoints = [first, second].flatMap((group, priority) => group.map(({ address }) => ({ address, priority })))
    const policy: ServiceOptions = { endpoints, outlierDetection: false, circuitBreaker: false, timeout: '5s' }
    const retry = { attempts: 2, backoff: { base: 1, max: 1 }, budget: { minPerSecond: 1_000 } }
    const made = mesh({
      services: {
        same: { ...policy, retry },
        others: { ...policy, retry: { ...retry, otherPriorities: true } },
        later: { ...policy, retry: { ...retry, otherPriorities: { after: 2 } } },
      },
    })
    const seenBy = async (name: string) => {
      const statuses = new Set<number>()
      for (let call = 0; call < 20; call++) statuses.add((await made.fetch(`http://${name}/`)).status)
      const seen = [first, second].map((group) => group.reduce((sum, { requests }) => sum + requests.splice(0).length, 0))
      return [...statuses, ...seen]
    }
    expect(await seenBy('same')).toEqual([503, 60, 0])
    expect(await seenBy('others')).toEqual([200, 20, 20])
    expect(await seenBy('later')).toEqual([200, 40, 20])
  })

  it('failTrafficOnPanic: calls of a priority in panic fail at once, and say why', async () => {
    const [first, second] = [await servers(5), await servers(2)]
    const endpoints = [first, second].flatMap((group, priority) => group.map(({ address }) => ({ address, priority })))
    const priorities = { failTrafficOnPanic: true }
    const made = mesh({ random: seededRandom(4), services: { orders: { endpoints, priorities, ...QUICK } } })
    await calls(made, 20)
    await Promise.all([...first.slice(1), second[0] as FaultServer].map((each) => each.close()))
    await outcomes(made, 100)
    const { answered = 0, MESH_NO_ENDPOINT = 0, ...others } = await outcomes(made, 400)
    expect(others).toEqual({})
    near([answered / 4, MESH_NO_ENDPOINT / 4], [71, 29])
    expect(made.explain({ url: 'http://orders/' }).priorities?.[0]).toMatchObject({ panic: true, sharePercent: 29 })
    await Promise.all([first[0], second[1]].map((each) => each?.close()))
    await outcomes(made, 40)
    const { reason } = await failure(made.fetch('http://orders/'))
    expect(reason).toBe('panic: fewer endpoints are usable than panicPercent asks for, and failTrafficOnPanic is on')
  })

  it('lanes spread like their service', async () => {
    const zones = [await servers(2), await servers(2)] as const
    const coloured = zones.map((group, index) =>
      inZone(group, `eu-${index + 1}`).map((each, place) => ({ ...each, metadata: place === 0 ? { lane: 'blue' } : {} })),
    )
    const services = { orders: { endpoints: coloured.flat(), lanes: {}, locality: { minEndpoints: 2 } } }
    const made = mesh({ locality: { region: 'eu', zone: 'eu-1' }, services })
    for (let call = 0; call < 40; call++) await made.fetch('http://orders/', { headers: call % 2 === 0 ? { 'x-lane': 'blue' } : {} })
    expect(zones.map((group) => group.map(({ requests }) => requests.length))).toEqual([
      [20, 20],
      [0, 0],
    ])
  })
})
