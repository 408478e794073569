// npm test: every check in turn, each named and timed. The first that fails ends the run and says how to repeat it.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import process from 'node:process'

const root = join(import.meta.dirname, '..')
const cache = join(root, '.cache/test')
const report = join(cache, 'vitest.json')
const started = performance.now()
const seconds = (since, until = performance.now()) => `${((until - since) / 1_000).toFixed(1)} s`

/** Quick checks speak only when they fail; the tests are heard while they run. `beside`: runs at the same time as the one before it. */
const STEPS = [
  { name: 'lint', what: 'biome', command: 'biome check --error-on-warnings' },
  { name: 'types', what: 'tsc over src, test, examples, bench', command: 'tsc' },
  { name: 'build', what: 'tsup: ESM, CommonJS and their types', command: 'tsup --silent', beside: true },
  {
    name: 'tests',
    what: 'vitest: unit, properties, scenarios, architecture, docs, examples, package',
    command: `vitest run --reporter=default --reporter=json --outputFile.json=${report}`,
    live: true,
  },
  { name: 'publint', what: 'the package as published', command: 'publint --strict' },
  { name: 'attw', what: 'its types for every way of resolving them', command: 'attw --pack . --profile node16', beside: true },
  { name: 'knip', what: 'nothing unused, nothing unlisted', command: 'knip', beside: true },
]

function run({ command, live }) {
  const [program, ...args] = command.split(' ')
  const bin = join(root, 'node_modules/.bin')
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` }
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', live ? 'inherit' : 'pipe', live ? 'inherit' : 'pipe'] })
  let output = ''
  const keep = (text) => {
    output += text
  }
  child.stdout?.setEncoding('utf8').on('data', keep)
  child.stderr?.setEncoding('utf8').on('data', keep)
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ ok: false, output: error.message }))
    child.once('close', (code, signal) => resolve({ ok: code === 0, output, ended: signal ?? `exit code ${code}` }))
  })
}

/** What vitest counted; nothing where it did not come so far. */
function counted() {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'))
    return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests }
  } catch {
    return undefined
  }
}

/** The steps with those that run beside them. */
function grouped(steps) {
  const groups = []
  for (const step of steps) {
    if (step.beside) groups.at(-1).push(step)
    else groups.push([step])
  }
  return groups
}

mkdirSync(cache, { recursive: true })
rmSync(report, { force: true })
const total = { passed: 0, failed: 0, skipped: 0 }
let broken
for (const group of grouped(STEPS)) {
  const ends = await Promise.all(
    group.map(async (step) => {
      const title = `[${STEPS.indexOf(step) + 1}/${STEPS.length}] ${step.name.padEnd(8)}`
      console.log(`${title} ${step.what} …`)
      const since = performance.now()
      return { step, title, since, ...(await run(step)), until: performance.now() }
    }),
  )
  for (const { step, title, since, until, ok, output, ended } of ends) {
    const tests = step.live ? counted() : undefined
    for (const key of Object.keys(total)) total[key] += tests?.[key] ?? 0
    // An error outside every test fails the run without a failed test.
    if (ok) total.passed += tests === undefined ? 1 : 0
    else total.failed += (tests?.failed ?? 0) === 0 ? 1 : 0
    if (!ok && output !== '') console.log(output.trimEnd())
    console.log(`${title} ${ok ? 'ok' : `FAILED (${ended})`}, ${seconds(since, until)}`)
    if (!ok) broken ??= step
  }
  if (broken !== undefined) break
}
if (broken !== undefined)
  console.log(`\nStopped at "${broken.name}". To repeat it alone: npx ${broken.command.replace(/ --reporter.*$/, '')}`)
console.log(`\n${broken === undefined ? 'all checks' : 'ended'} after ${seconds(started)}`)
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exitCode = broken === undefined ? 0 : 1
