import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { median } from '../load.mjs'
import { services } from '../service.mjs'

const ROUNDS = 15
const MOST_SERIES = 3
/**
 * Of an empty script's processor time: neighbours and slow machines hold up both alike, which milliseconds would not say. When this was
 * written a busy machine gave 0.66 to 0.71, and 0.77 to 0.79 for the state before, which read all of `node:fs` and its like.
 */
const MOST_SHARE = 0.75
const root = join(import.meta.dirname, '../../..')

/** Runs `code` as an ES module in a node of its own; gives what it printed. */
function child(code) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

/** Milliseconds of processor time that a node spends from its start to the end of `code`. */
function processorTime(code) {
  const tell = `const { user, system } = process.cpuUsage()
    process.getBuiltinModule('node:fs').writeSync(1, String((user + system) / 1_000))`
  return Number(child(`${code};${tell}`))
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

/** What importing adds to an empty script, in milliseconds and as a share of it: medians of {@link ROUNDS} pairs of processes. */
function importCost() {
  const pairs = Array.from({ length: ROUNDS }, () => {
    const empty = processorTime('')
    return { empty, added: processorTime(`await import('inmesh')`) - empty }
  })
  return { ms: median(pairs.map(({ added }) => added)), share: median(pairs.map(({ empty, added }) => added / empty)) }
}

/** What importing costs and does, and whether the platform's fetch stays as it was when undici comes. */
export async function run() {
  let cost = importCost()
  // A busy machine can only add to it.
  for (let series = 1; series < MOST_SERIES && cost.share > MOST_SHARE; series++) {
    const again = importCost()
    if (again.share < cost.share) cost = again
  }
  const [before, after] = JSON.parse(child(OPENS))
  const opened = JSON.stringify(after) === JSON.stringify(before)
  const [service] = await services(1)
  const asked = [true, false].map((touchedFirst) => JSON.parse(child(AFTER_A_CALL(service.address, touchedFirst))))
  await service.kill()
  return [
    {
      what: `import('inmesh') over an empty script in processor time, median of ${ROUNDS}`,
      asked: `<= ${MOST_SHARE} of it`,
      seen: `${cost.share.toFixed(2)} (${cost.ms.toFixed(1)} ms)`,
      ok: cost.share <= MOST_SHARE,
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
