// npm run test:matrix [-- --quick] [--json] [--only tests,consumers,types]
//
// The package against every Node, undici and TypeScript that it says it works with. What it needs beside the repository is installed
// below .cache/matrix and stays there for the next time.
import process from 'node:process'
import { application, consumersOn, echo, pack } from './consumers.mjs'
import { run } from './installs.mjs'
import { testsOn } from './tests.mjs'
import { compilerOf, typesWith } from './types.mjs'

const flag = (name) => process.argv.includes(`--${name}`)
const only = flag('only') ? process.argv[process.argv.indexOf('--only') + 1].split(',') : ['tests', 'consumers', 'types']
const quick = flag('quick')

/** undici 8 needs Node 22.19. */
const PAIRS = [
  [20, 7],
  [22, 7],
  [22, 8],
  [24, 7],
  [24, 8],
  [26, 7],
  [26, 8],
]
const TYPESCRIPTS = ['5.4', '5.9', '6.0']
const NODE_TYPES = [20, 22, 24]
const UNDICIS = [7, 8]

const rows = []
const startedAt = performance.now()

function note(row) {
  rows.push(row)
  if (!flag('json')) console.log(`${row.ok ? 'ok    ' : 'FAILED'} ${row.what}: ${row.seen}, ${row.seconds.toFixed(1)} s`)
  if (!row.ok) console.error(row.output.trimEnd())
}

/** What cannot even be set up has failed as well. */
async function attempt(what, task) {
  const since = performance.now()
  try {
    for (const row of [await task()].flat()) note(row)
  } catch (error) {
    note({
      what,
      seen: 'could not be set up',
      ok: false,
      seconds: (performance.now() - since) / 1_000,
      output: String(error?.stack ?? error),
    })
  }
}

if (only.includes('tests'))
  for (const [node, undici] of PAIRS) await attempt(`tests, Node ${node}, undici ${undici}`, () => testsOn(node, undici))

if (only.includes('consumers') || only.includes('types')) {
  const built = await run('npm', ['run', 'build'])
  if (built.code !== 0) throw new Error(built.output)
  const archive = await pack()
  if (only.includes('consumers')) {
    const service = await echo()
    for (const undici of UNDICIS) {
      await attempt(`application with undici ${undici}`, async () => {
        const made = await application(archive, undici)
        const results = []
        for (const [node, theirs] of PAIRS) if (theirs === undici) results.push(...(await consumersOn(node, made, service.address)))
        return results
      })
    }
    service.close()
  }
  if (only.includes('types')) {
    for (const typescript of quick ? ['5.4', '6.0'] : TYPESCRIPTS) {
      const compiler = await compilerOf(typescript)
      for (const node of NODE_TYPES) {
        const cases = UNDICIS.flatMap((undici) =>
          (typescript === '6.0' ? [false, true] : [false]).map((own) => ({ typescript, node, undici, own })),
        )
        await Promise.all(cases.map((each) => attempt(`types ${JSON.stringify(each)}`, () => typesWith(archive, compiler, each))))
      }
    }
  }
}

const failed = rows.filter(({ ok }) => !ok).length
if (flag('json'))
  console.log(
    JSON.stringify(
      rows.map(({ what, seen, ok, seconds }) => ({ what, seen, ok, seconds })),
      null,
      1,
    ),
  )
else {
  const width = Math.max(...rows.map(({ what }) => what.length))
  console.log(`\n${'what'.padEnd(width)}  seen`)
  for (const { what, seen, ok } of rows) console.log(`${what.padEnd(width)}  ${seen}${ok ? '' : '  FAILED'}`)
  console.log(`\n${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
}
console.log(`${rows.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
