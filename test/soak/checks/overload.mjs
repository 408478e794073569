import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Pool } from 'undici'
import { openLoop, percentile } from '../load.mjs'

const WORK_MS = 2
const TIMES = 3
/** One request of so many is of high priority. */
const HIGH_EVERY = 5
/** Calls that are under way at once while the capacity is measured. */
const PARALLEL = 8
/** Until an overload is noticed, everything that comes is taken: what that costs is told apart. */
const ONSET_MS = 1_000
/** Capacities that differ by more, before and after, say more about the machine than about us. */
const STEADY = 0.15

async function start(door) {
  const child = fork(join(import.meta.dirname, '../overload-server.mjs'), [String(WORK_MS), door], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  })
  const [{ listening }] = await once(child, 'message')
  const pool = new Pool(`http://127.0.0.1:${listening}`, { connections: 512, pipelining: 1 })
  const headers = { high: { 'x-mesh-priority': 'high' }, normal: { 'x-mesh-priority': 'normal' } }
  return {
    async call(index) {
      const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers: isHigh(index) ? headers.high : headers.normal })
      await body.dump()
      return statusCode
    },
    async cpuMs() {
      child.send({})
      const [{ user, system }] = await once(child, 'message')
      return (user + system) / 1_000
    },
    async stop() {
      await pool.destroy()
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function isHigh(index) {
  return index % HIGH_EVERY === 0
}

/** Answers a second, and a second of CPU, while there is always somebody waiting. */
async function capacityOf(door) {
  const server = await start(door)
  const measure = async (seconds) => {
    let answered = 0
    const cpuMs = await server.cpuMs()
    const startedAt = performance.now()
    const worker = async () => {
      while (performance.now() - startedAt < seconds * 1_000) {
        await server.call(1)
        answered++
      }
    }
    await Promise.all(Array.from({ length: PARALLEL }, worker))
    return {
      perSecond: (answered * 1_000) / (performance.now() - startedAt),
      perCpuSecond: (answered * 1_000) / ((await server.cpuMs()) - cpuMs),
    }
  }
  await measure(1)
  const capacity = await measure(3)
  await server.stop()
  return capacity
}

const took = (calls) => calls.filter(({ status }) => status === 200).map(({ tookMs }) => tookMs)
const percent = (share) => `${(100 * share).toFixed(1)} %`

async function overload(door, open, what, seconds, leastMs = 0) {
  const before = await capacityOf(open)
  const server = await start(door)
  // The machine that runs us compiles what it sees often: what refusing costs is seen after some thousand times.
  await openLoop({ perSecond: Math.round(before.perSecond * TIMES), seconds: Math.max(3, seconds / 6), call: server.call })
  const quiet = await openLoop({
    perSecond: Math.round(before.perSecond * 0.2),
    seconds: Math.max(4, seconds / 4),
    call: server.call,
  })
  const cpuMs = await server.cpuMs()
  const { calls } = await openLoop({ perSecond: Math.round(before.perSecond * TIMES), seconds, call: server.call })
  const usedMs = (await server.cpuMs()) - cpuMs
  await server.stop()
  const after = await capacityOf(open)

  const unloaded = percentile(took(quiet.calls.filter((_, index) => isHigh(index))), 0.99)
  const endedAt = ({ at, tookMs }) => at + tookMs
  const inTime = calls.filter((each) => each.status === 200 && endedAt(each) >= ONSET_MS && endedAt(each) <= seconds * 1_000)
  const capacity = (before.perSecond + after.perSecond) / 2
  const goodput = inTime.length / (seconds - ONSET_MS / 1_000) / capacity
  const steady = Math.abs(before.perSecond - after.perSecond) <= STEADY * capacity
  const ofCpu = took(calls).length / (usedMs / 1_000) / ((before.perCpuSecond + after.perCpuSecond) / 2)
  const high = calls.filter((_, index) => isHigh(index))
  const settled = high.filter(({ at }) => at >= ONSET_MS)
  const p99 = percentile(took(settled), 0.99)
  const lost = settled.filter(({ status }) => status !== 200).length
  const strange = calls.filter(({ status }) => status !== 200 && status !== 503).length
  const moved = steady ? '' : `, not resolvable here: ${before.perSecond.toFixed(0)}/s before, ${after.perSecond.toFixed(0)}/s after`
  const most = Math.max(3 * unloaded, leastMs)
  return [
    {
      what: `${what}: goodput, of ${capacity.toFixed(0)}/s`,
      asked: '>= 90 %',
      seen: `${percent(goodput)}${moved}`,
      ok: goodput >= 0.9 || !steady,
    },
    { what: `${what}: answers for a second of CPU, of those at capacity`, asked: '>= 90 %', seen: percent(ofCpu), ok: ofCpu >= 0.9 },
    {
      what: `${what}: p99 of high priority, ${unloaded.toFixed(1)} ms unloaded`,
      asked: `<= ${most.toFixed(1)} ms`,
      seen: `${p99.toFixed(1)} ms`,
      ok: p99 <= most,
    },
    { what: `${what}: refused of ${settled.length} of high priority`, asked: '<= 1 %', seen: lost, ok: lost <= settled.length / 100 },
    { what: `${what}: neither answered nor refused`, asked: 0, seen: strange, ok: strange === 0 },
    {
      what: `${what}: slowest of high priority in the first second`,
      asked: '-',
      seen: `${Math.max(...took(high.filter(({ at }) => at < ONSET_MS))).toFixed(0)} ms`,
      ok: true,
    },
  ]
}

/** Three times as many requests as a CPU-bound service can answer, come what may. */
export async function run({ short }) {
  // A few hundred requests tell whether the guard holds; how finely, the long run does.
  if (short) return overload('mesh', 'open', 'mesh.handler', 6, 25)
  const seconds = 30
  return [
    ...(await overload('shed', 'open', 'a shedder', seconds)),
    ...(await overload('shed-later', 'open-later', 'work in a later turn', seconds)),
    ...(await overload('mesh', 'open', 'mesh.handler', seconds)),
  ]
}
