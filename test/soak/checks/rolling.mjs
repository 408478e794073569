import { createMesh } from 'inmesh'
import { failures, openLoop, pause } from '../load.mjs'
import { services } from '../service.mjs'

const PER_SECOND = 500

/** By turns a GET, a POST with an idempotency key, and a plain POST where those are promised too. */
export function kindsOf(plainPosts) {
  return plainPosts ? ['GET', 'POST with key', 'POST'] : ['GET']
}

async function send(mesh, kind) {
  const { statusCode, body } = await mesh.request('http://orders/v1/orders', {
    method: kind === 'GET' ? 'GET' : 'POST',
    headers: kind === 'POST with key' ? { 'idempotency-key': '1' } : {},
    body: kind === 'GET' ? undefined : '{"item":42}',
  })
  await body.text()
  return statusCode
}

/** Endpoints under load are restarted one after the other, each ended by `end`. */
export async function rolled({ count = 5, script = 'server.mjs', end, kinds, everyMs }) {
  const all = await services(count, script)
  const mesh = createMesh({ services: { orders: { endpoints: all.map(({ address }) => address) } } })
  await mesh.ready()
  const seconds = Math.ceil((all.length * everyMs) / 1_000) + 2
  const loop = openLoop({ perSecond: PER_SECOND, seconds, call: (index) => send(mesh, kinds[index % kinds.length]) })
  const restarts = (async () => {
    await pause(1_000)
    for (const service of all) {
      const startedAt = performance.now()
      await end(service)
      await pause(200)
      await service.start()
      await pause(Math.max(0, everyMs - (performance.now() - startedAt)))
    }
  })()
  const [{ calls }] = await Promise.all([loop, restarts])
  const { retries, movedOn } = mesh.stats().services.orders
  await mesh.close()
  await Promise.all(all.map((service) => service.kill()))
  return { calls, seen: failures(calls), retries, movedOn }
}

/** A rolling restart: SIGTERM loses nothing at all, SIGKILL no GET. */
export async function run({ short }) {
  const everyMs = short ? 1_000 : 5_000
  const rounds = [
    { what: 'SIGTERM', end: (service) => service.terminate(), kinds: kindsOf(true) },
    { what: 'SIGKILL', end: (service) => service.kill(), kinds: kindsOf(false) },
  ]
  const rows = []
  for (const { what, end, kinds } of rounds) {
    const { calls, seen, retries, movedOn } = await rolled({ end, kinds, everyMs })
    rows.push({
      what: `${what}: lost of ${calls.length} (${kinds.join(', ')}; ${retries} re-sent, ${movedOn} moved on)`,
      asked: 0,
      seen: seen.count === 0 ? 0 : `${seen.count}: ${seen.kinds}`,
      ok: seen.count === 0,
    })
  }
  return rows
}
