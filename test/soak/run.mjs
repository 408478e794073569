// npm run test:soak [-- --short] [--json] [--only failover,heap] [--seed 42]
//
// Drives the built package against real server processes on loopback and compares what it sees with what was promised. Each check
// runs in a process of its own, one after the other, so that none of them inherits another's heap or sockets.
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import { isFresh } from '../../scripts/freshness.mjs'

const CHECKS = {
  failover: () => import('./checks/failover.mjs'),
  refused: () => import('./checks/refused.mjs'),
  outage: () => import('./checks/outage.mjs'),
  'outage-503': () => import('./checks/outage-503.mjs'),
  heap: () => import('./checks/heap.mjs'),
  bodies: () => import('./checks/bodies.mjs'),
  storm: () => import('./checks/storm.mjs'),
  rolling: () => import('./checks/rolling.mjs'),
  'rolling-guarded': () => import('./checks/rolling-guarded.mjs'),
  rotation: () => import('./checks/rotation.mjs'),
  hedges: () => import('./checks/hedges.mjs'),
  deadlines: () => import('./checks/deadlines.mjs'),
  fleet: () => import('./checks/fleet.mjs'),
  pushes: () => import('./checks/pushes.mjs'),
  memory: () => import('./checks/memory.mjs'),
  overload: () => import('./checks/overload.mjs'),
  outliers: () => import('./checks/outliers.mjs'),
  import: () => import('./checks/import.mjs'),
  integrity: () => import('./checks/integrity.mjs'),
}

/** Drawn anew each time, so that they find what nobody looked for: in the long form, or when they are named. */
const DRAWN = new Set(['integrity'])

const root = join(import.meta.dirname, '../..')
const flag = (name) => process.argv.includes(`--${name}`)
const value = (name) => (flag(name) ? process.argv[process.argv.indexOf(`--${name}`) + 1] : undefined)
const short = flag('short')
/** For checks that draw what they do. */
const seed = value('seed')
/** A check that hangs has failed too. */
const PATIENCE_MS = short ? 120_000 : 3_600_000

/** Builds what the checks import, JavaScript only, unless it is there and no source is newer. */
function build() {
  process.chdir(root)
  if (isFresh('dist/index.js', ['src', 'tsup.config.ts', 'package.json'])) return
  const { status } = spawnSync(process.execPath, ['node_modules/tsup/dist/cli-default.js', '--silent', '--env.JS_ONLY'], {
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the package does not build')
}

/** One check in a process of its own: its rows, and whatever kept it from having any. */
async function inChild(name) {
  const startedAt = performance.now()
  const child = fork(
    import.meta.filename,
    ['--check', name, ...(short ? ['--short'] : []), ...(seed === undefined ? [] : ['--seed', seed])],
    {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  )
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  let rows = []
  child.on('message', (message) => {
    rows = message
  })
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  if (code !== 0 || rows.length === 0)
    rows.push({
      what: 'the check',
      asked: 'ends by itself',
      seen: signal === 'SIGKILL' ? 'hung' : `exit code ${code ?? signal}`,
      ok: false,
    })
  return { name, seconds: (performance.now() - startedAt) / 1_000, rows }
}

const print = ({ what, asked, seen, ok }) =>
  console.log(`  ${what.padEnd(58)} asked ${String(asked).padEnd(18)} seen ${String(seen).padEnd(18)} ${ok ? 'ok' : 'FAILED'}`)

const check = value('check')
if (check !== undefined) {
  const { run } = await CHECKS[check]()
  const rows = await run({ short, ...(seed === undefined ? {} : { seed: Number(seed) }) })
  await new Promise((resolve) => process.send(rows, resolve))
  process.disconnect()
} else {
  build()
  const names = value('only')?.split(',') ?? Object.keys(CHECKS).filter((name) => !(short && DRAWN.has(name)))
  const results = []
  const startedAt = performance.now()
  for (const name of names) {
    const result = await inChild(name)
    results.push(result)
    if (flag('json')) continue
    console.log(`\n${name}, ${result.seconds.toFixed(1)} s`)
    for (const row of result.rows) print(row)
  }
  const rows = results.flatMap((result) => result.rows)
  const failed = rows.filter(({ ok }) => !ok).length
  if (flag('json')) console.log(JSON.stringify({ node: process.version, short, checks: results }, null, 1))
  else console.log(`\n${process.version}, ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
  console.log(`${rows.length - failed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
