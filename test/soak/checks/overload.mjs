import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Pool } from 'undici'
import { openLoop, percentile } from '../load.mjs'

const WORK_MS = 2
/** Of the requests of high priority. */
const HIGH_SHARE = 0.2
/** Calls that are under way at once while the capacity is measured. */
const PARALLEL = 8
/** What the first moments of an overload cost is told apart: until it is noticed, everything that comes is taken. */
const ONSET_MS = 1_000

async function start(door) {
  const child = fork(join(import.meta.dirname, '../overload-server.mjs'), [String(WORK_MS), door], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  })
  const [{ listening }] = await once(child, 'message')
  const pool = new Pool(`http://127.0.0.1:${listening}`, { connections: 512, pipelining: 1 })
  const call = async (index) => {
    const high = index % Math.round(1 / HIGH_SHARE) === 0
    const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers: { 'x-mesh-priority': high ? 'high' : 'normal' } })
    await body.dump()
    return statusCode
  }
  return {
    call,
    async stats() {
      child.send({})
      return (await once(child, 'message'))[0]
    },
    async stop() {
      await pool.destroy()
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** Answers a second while there is always somebody waiting. */
async function capacityOf(server, seconds) {
  let answered = 0
  const startedAt = performance.now()
  const end = startedAt + seconds * 1_000
  const worker = async () => {
    while (performance.now() < end) {
      await server.call(1)
      answered++
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  return (answered * 1_000) / (performance.now() - startedAt)
}

const isHigh = (_, index) => index % Math.round(1 / HIGH_SHARE) === 0
const took = (calls) => calls.filter(({ status }) => status === 200).map(({ tookMs }) => tookMs)

/** Three times as many requests as a CPU-bound service can answer, whether they are answered or not; and what it does without a guard. */
export async function run({ short }) {
  const seconds = short ? 5 : 20
  const rows = []
  for (const [door, what] of [
    ['shed', 'work at once'],
    ['shed-later', 'work after a wait'],
  ]) {
    const open = await start(door.replace('shed', 'open'))
    await capacityOf(open, 1)
    const capacity = await capacityOf(open, 3)
    await open.stop()
    const server = await start(door)
    await capacityOf(server, 1)
    const quiet = await openLoop({ perSecond: Math.round(capacity * 0.2), seconds: Math.max(3, seconds / 4), call: server.call })
    const unloaded = percentile(took(quiet.calls.filter(isHigh)), 0.99)
    const { calls, stalledMs } = await openLoop({ perSecond: Math.round(capacity * 3), seconds, call: server.call })
    const stats = await server.stats()
    await server.stop()
    const settled = ({ at }) => at >= ONSET_MS
    const inTime = ({ at, tookMs }) => at + tookMs >= ONSET_MS && at + tookMs <= seconds * 1_000
    const answered = calls.filter((each) => inTime(each) && each.status === 200).length
    const goodput = answered / (seconds - ONSET_MS / 1_000)
    const high = calls.filter(isHigh).filter(settled)
    const p99 = percentile(took(high), 0.99)
    const onset = percentile(took(calls.filter(isHigh).filter((each) => !settled(each))), 1)
    const lost = high.filter(({ status }) => status !== 200).length
    const strange = calls.filter(({ status }) => status !== 200 && status !== 503).length
    rows.push(
      {
        what: `${what}: goodput of ${capacity.toFixed(0)}/s at 3×`,
        asked: '>= 90 %',
        seen: `${((100 * goodput) / capacity).toFixed(1)} %`,
        ok: goodput >= 0.9 * capacity,
      },
      {
        what: `${what}: p99 of high priority, unloaded ${unloaded.toFixed(1)} ms`,
        asked: `<= ${(3 * unloaded).toFixed(1)} ms`,
        seen: `${p99.toFixed(1)} ms`,
        ok: p99 <= 3 * unloaded,
      },
      { what: `${what}: ${high.length} of high priority that were refused`, asked: '<= 1 %', seen: lost, ok: lost <= high.length / 100 },
      { what: `${what}: neither answered nor refused`, asked: 0, seen: strange, ok: strange === 0 },
      { what: `${what}: slowest of high priority in the first second`, asked: '-', seen: `${onset.toFixed(0)} ms`, ok: true },
    )
    console.error(
      what,
      'stalled',
      stalledMs.toFixed(1),
      'p50',
      percentile(took(high), 0.5).toFixed(1),
      'p50 quiet',
      percentile(took(quiet.calls), 0.5).toFixed(1),
      'normal p99',
      percentile(took(calls.filter((e, i) => !isHigh(e, i))), 0.99).toFixed(1),
      JSON.stringify(stats),
    )
  }
  return rows
}
