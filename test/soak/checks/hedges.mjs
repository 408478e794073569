import process from 'node:process'
import { createMesh } from 'inmesh'
import { failures, openLoop, pause, percentile } from '../load.mjs'
import { services } from '../service.mjs'

const PER_SECOND = 300
const MOST_EXTRA_LOAD = 5
/** Until then a mesh does not know how long tries take. */
const LEARNING_MS = 3_000

/** What the calls of a service have not given back yet. */
function heldBy({ endpoints, limits, inflight }) {
  const busy = endpoints.reduce((sum, each) => sum + each.inflight + each.connections - each.idleConnections, 0)
  return busy + limits.retries + inflight
}

/** Half of a fleet is slow now and then: what hedges are worth, what they cost, and what they leave behind. */
export async function run({ short }) {
  const all = await services(4)
  for (const service of all.slice(2)) await service.behave('late')
  const endpoints = all.map(({ address }) => address)
  const seconds = short ? 9 : 40
  // In turns: who goes by load sends hardly a call to an endpoint that still owes an answer, and hedges have little left to do.
  const plain = { endpoints, balancing: { policy: 'round-robin' } }
  // Two answers of a hundred are late: by p95 most of the budget would go to those that are merely not quick.
  const mesh = createMesh({ services: { plain, hedged: { ...plain, hedge: { after: 'p97' } } } })
  await mesh.ready()
  const found = {}
  for (const service of ['plain', 'hedged']) {
    const { calls } = await openLoop({
      perSecond: PER_SECOND,
      seconds,
      async call() {
        const response = await mesh.fetch(`http://${service}/`)
        await response.text()
        return response.status
      },
    })
    const times = calls.filter(({ at }) => at > LEARNING_MS).map(({ tookMs }) => tookMs)
    found[service] = { p50: percentile(times, 0.5), p99: percentile(times, 0.99), count: calls.length, lost: failures(calls) }
  }
  const { delayMs = 0 } = mesh.explain({ url: 'http://hedged/' }).hedge
  // What was let go of is read on for a moment, and an endpoint that answered nothing of late is waited for until it does.
  for (let waited = 0; waited < 5_000 && heldBy(mesh.stats().services.hedged) > 0; waited += 100) await pause(100)
  const stats = mesh.stats().services.hedged
  const extra = (100 * (stats.tries - stats.calls)) / stats.calls
  const held = heldBy(stats)
  await mesh.close()
  const timers = process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length
  for (const service of all) await service.kill()
  const ratio = found.hedged.p99 / found.plain.p99
  const lost = found.plain.lost.count + found.hedged.lost.count
  return [
    {
      what: `p99 of ${found.hedged.count} calls, hedged ÷ plain (${found.hedged.p99.toFixed(0)} ÷ ${found.plain.p99.toFixed(0)} ms)`,
      asked: '<= 0.4',
      seen: ratio.toFixed(2),
      ok: ratio <= 0.4,
    },
    {
      what: `extra load (${stats.hedges} hedges after ${delayMs.toFixed(0)} ms, ${stats.hedgesWon} won, ${stats.hedgesRefused} refused)`,
      asked: `<= ${MOST_EXTRA_LOAD} %`,
      seen: `${extra.toFixed(1)} %`,
      ok: extra <= MOST_EXTRA_LOAD,
    },
    { what: 'failures', asked: 0, seen: lost, ok: lost === 0 },
    {
      what: 'tries, busy connections, re-sends and calls left',
      asked: 0,
      seen: held,
      ok: held === 0,
    },
    { what: 'timers left after close()', asked: 0, seen: timers, ok: timers === 0 },
  ]
}
