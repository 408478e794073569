import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createMesh } from 'inmesh'
import { meshError, openLoop } from '../load.mjs'

const PER_SECOND = 200
/** What a timer's tick and the machine may add, beside the longest that this process was held up. */
const LATE_MS = 20
const DEADLINES_MS = [150, 400, 1_000]

/** One call with a deadline over everything that it does, its body included; how much later than a timer of that length it ended. */
async function send(mesh, service, index) {
  const timeout = DEADLINES_MS[index % DEADLINES_MS.length]
  const startedAt = performance.now()
  // On a machine that others use too, the same wait without a mesh tells what is theirs.
  let plainLateMs = 0
  const plain = setTimeout(() => {
    plainLateMs = performance.now() - startedAt - timeout
  }, timeout)
  const init = { method: index % 5 === 0 ? 'POST' : 'GET', body: index % 5 === 0 ? 'x' : undefined, mesh: { timeout } }
  try {
    if (index % 2 === 0) await (await mesh.fetch(`http://${service}/`, init)).text()
    else await (await mesh.request(`http://${service}/`, init)).body.text()
  } catch (error) {
    if (meshError(error) === undefined) throw error
  }
  clearTimeout(plain)
  return performance.now() - startedAt - timeout - plainLateMs
}

/** Calls to services of which everyone keeps its callers waiting in its own way: no call outlives its deadline. */
export async function run({ short }) {
  const child = fork(join(import.meta.dirname, '../faults.mjs'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
  const [ports] = await once(child, 'message')
  const names = Object.keys(ports)
  const policy = { circuitBreaker: false, outlierDetection: false, connectTimeout: 500 }
  const services = Object.fromEntries(names.map((name, index) => [`s${index}`, { endpoints: [`127.0.0.1:${ports[name]}`], ...policy }]))
  // A handshake that hangs is one more way.
  services.tls = { endpoints: [`127.0.0.1:${ports.silent}`], tls: { mode: 'simple' }, ...policy }
  const mesh = createMesh({ services })
  await mesh.ready()
  const hosts = Object.keys(services)
  const late = new Map()
  const { calls, stalledMs } = await openLoop({
    perSecond: PER_SECOND,
    seconds: short ? 5 : 60,
    async call(index) {
      const host = hosts[index % hosts.length]
      const lateMs = await send(mesh, host, Math.floor(index / hosts.length))
      late.set(host, Math.max(late.get(host) ?? Number.NEGATIVE_INFINITY, lateMs))
      return 200
    },
  })
  await mesh.close()
  child.kill('SIGKILL')
  const strange = calls.filter(({ error }) => error !== undefined)
  const [worst, by] = [...late].reduce((most, [host, ms]) => (ms > most[1] ? [host, ms] : most), ['', Number.NEGATIVE_INFINITY])
  const limit = LATE_MS + stalledMs
  const name = worst === 'tls' ? 'TLS handshake' : names[Number(worst.slice(1))]
  return [
    {
      what: `${calls.length} calls to ${hosts.length} faults: later than a plain timer by`,
      asked: `<= ${limit.toFixed(0)} ms`,
      seen: `${by.toFixed(1)} ms, ${name}`,
      ok: by <= limit && late.size === hosts.length,
    },
    {
      what: 'failures that are no MeshError',
      asked: 0,
      seen: strange.length === 0 ? 0 : String(strange[0].error),
      ok: strange.length === 0,
    },
  ]
}
