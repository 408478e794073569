import { createMesh } from 'inmesh'
import { get, meshError, openLoop, percentile } from './load.mjs'
import { services } from './service.mjs'

const PER_SECOND = 200
const DEADLINE_MS = 1_000
/** A timer's tick, and the machine's. */
const LATE_MS = 20

/** Three services work for two seconds, then `breakDown` happens to each of them for ten. */
export async function outage(breakDown) {
  const all = await services(3)
  const mesh = createMesh({ services: { orders: { endpoints: all.map(({ address }) => address) } } })
  const call = (index) => get(mesh, index, { timeout: DEADLINE_MS })
  await openLoop({ perSecond: PER_SECOND, seconds: 2, call })
  const reports = () => Promise.all(all.map((service) => (service.child === undefined ? { requests: 0 } : service.report())))
  const served = (list) => list.reduce((sum, { requests }) => sum + requests, 0)
  const tries = () => mesh.stats().services.orders.endpoints.reduce((sum, endpoint) => sum + endpoint.tries, 0)

  await Promise.all(all.map(breakDown))
  const before = { served: served(await reports()), tries: tries() }
  const startedAt = performance.now()
  let openedAt
  mesh.on('circuitOpened', () => {
    openedAt ??= performance.now() - startedAt
  })
  const { calls, stalledMs } = await openLoop({ perSecond: PER_SECOND, seconds: 10, call })
  const sent = { served: served(await reports()) - before.served, tries: tries() - before.tries }
  const fast = calls.filter(({ at }) => openedAt !== undefined && at > openedAt)
  const p99 = percentile(
    fast.map(({ tookMs }) => tookMs),
    0.99,
  )
  const strange = calls.filter(({ status, error }) => (error === undefined ? status !== 503 : meshError(error) === undefined))
  const slowest = Math.max(...calls.map(({ tookMs }) => tookMs))
  await mesh.close()
  await Promise.all(all.map((service) => service.kill()))
  const most = Math.max(sent.tries, sent.served)
  const limit = DEADLINE_MS + LATE_MS + stalledMs
  return [
    {
      what: `tries for ${calls.length} calls (${sent.served} requests served)`,
      asked: `<= ${1.2 * calls.length}`,
      seen: most,
      ok: most <= 1.2 * calls.length,
    },
    { what: 'failures that are neither a MeshError nor a 503', asked: 0, seen: strange.length, ok: strange.length === 0 },
    { what: 'slowest failure, deadline 1 s', asked: `<= ${limit.toFixed(0)} ms`, seen: `${slowest.toFixed(0)} ms`, ok: slowest <= limit },
    {
      what: `p99 of ${fast.length} calls after the breaker opened, at ${openedAt?.toFixed(0) ?? '-'} ms`,
      asked: '<= 5 ms',
      seen: `${p99.toFixed(2)} ms`,
      ok: fast.length > 0 && p99 <= 5,
    },
  ]
}
