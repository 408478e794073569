import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { median } from '../load.mjs'
import { services } from '../service.mjs'

const ROUNDS = 15
const MOST_SERIES = 3
/** The aim is 40: what stands before the application is compiled with the rest, and should be loaded when it is asked for. */
const MOST_MS = 60
const root = join(import.meta.dirname, '../../..')

/** Runs `code` as an ES module in a node of its own; what it printed, and how long it took from start to end. */
function child(code) {
  const startedAt = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return { said: stdout, tookMs: performance.now() - startedAt }
}

/** What the process looks like; undici's name is found in the platform's list of loaded parts, and in the cache of packages. */
const LOOK = `
  import { createRequire } from 'node:module'
  const require = createRequire(process.cwd() + '/x.js')
  const symbols = [1, 2].map((version) => Symbol.for('undici.globalDispatcher.' + version))
  const look = () => ({
    open: process.getActiveResourcesInfo().filter((each) => !/Pipe|TTY|File|FSReq|MessagePort|Worker|CloseReq/.test(each)),
    handles: process._getActiveHandles().filter((each) => ![process.stdin, process.stdout, process.stderr].includes(each)).length,
    dispatchers: symbols.map((symbol) => typeof globalThis[symbol]),
    platform: process.moduleLoadList.filter((each) => each.includes('deps/undici/undici')),
    packages: Object.keys(require.cache).filter((each) => /node_modules.(undici|opossum|p-retry)./.test(each)),
  })`

const OPENS = `${LOOK}
  const before = look()
  await import('inmesh')
  console.log(JSON.stringify([before, look()]))`

/** The platform's fetch is asked before and after; a dispatcher that counts says who carried it. */
const AFTER_A_CALL = (address, touchedFirst) => `${LOOK}
  const { createMesh } = await import('inmesh')
  const stranger = () => fetch('http://${address}/').then((response) => response.text())
  ${touchedFirst ? 'await stranger()' : ''}
  const before = symbols.map((symbol) => globalThis[symbol])
  const mesh = createMesh({ services: { orders: { endpoints: ['${address}'] } } })
  const { statusCode, body } = await mesh.request('http://orders/')
  await body.text()
  const { packages } = look()
  const after = symbols.map((symbol) => globalThis[symbol])
  const { Agent } = await import('undici')
  const carriers = []
  for (const [index, symbol] of symbols.entries()) {
    const former = after[index]
    if (former === undefined) continue
    globalThis[symbol] = new Proxy(former, {
      get: (target, key) => key === 'dispatch' ? (...args) => { carriers.push(former); return former.dispatch(...args) } : Reflect.get(target, key),
    })
  }
  await stranger()
  await mesh.close()
  const same = ${touchedFirst} ? before.filter((each, index) => each !== undefined && each !== after[index]).length === 0 : true
  const loaded = packages.some((each) => each.includes('undici'))
  console.log(JSON.stringify({ statusCode, loaded, same, carried: carriers.length, foreign: carriers.some((each) => each instanceof Agent) }))
  process.exit()`

/** Milliseconds that importing adds to an empty script: the median of {@link ROUNDS} pairs of processes. */
function importCost() {
  const added = Array.from({ length: ROUNDS }, () => {
    const empty = child('').tookMs
    return child(`await import('inmesh')`).tookMs - empty
  })
  return median(added)
}

/** What importing costs and does, and whether the platform's fetch stays as it was when undici comes. */
export async function run() {
  let cost = Number.POSITIVE_INFINITY
  let series = 0
  // A busy machine can only add to it.
  while (series < MOST_SERIES && cost > MOST_MS) {
    series++
    cost = Math.min(cost, importCost())
  }
  const [before, after] = JSON.parse(child(OPENS).said)
  const opened = JSON.stringify(after) === JSON.stringify(before)
  const [service] = await services(1)
  const asked = [true, false].map((touchedFirst) => JSON.parse(child(AFTER_A_CALL(service.address, touchedFirst)).said))
  await service.kill()
  return [
    {
      what: `import('inmesh') over an empty script, median of ${ROUNDS}`,
      asked: `<= ${MOST_MS} ms, better 40`,
      seen: `${cost.toFixed(1)} ms`,
      ok: cost <= MOST_MS,
    },
    {
      what: 'what the import opened, loaded of undici or changed',
      asked: 'nothing',
      seen: opened ? 'nothing' : JSON.stringify(after),
      ok: opened && after.packages.length === 0 && after.platform.length === 0,
    },
    ...asked.map((seen, index) => {
      const ok = seen.statusCode === 200 && seen.loaded && seen.same && !seen.foreign && seen.carried === 1
      return {
        what: `after a call the platform's fetch has its own dispatcher, ${index === 0 ? 'used before' : 'unused before'}`,
        asked: 'yes',
        seen: ok ? 'yes' : JSON.stringify(seen),
        ok,
      }
    }),
  ]
}
