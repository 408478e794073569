import { readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { CACHE, nodeOf, ROOT, run, undiciOf } from './installs.mjs'

/**
 * Unit and scenario tests on one Node with one undici; `undici.test.ts` proves that both are the ones asked for. What fails is run
 * once more alone: a busy machine is late in one test of hundreds, a Node or an undici that differs is so again.
 */
export async function testsOn(node, undici) {
  const { entry, version } = await undiciOf(undici)
  const env = { INMESH_UNDICI: entry, INMESH_EXPECT_NODE: String(node), INMESH_EXPECT_UNDICI: String(undici), NO_COLOR: '1' }
  const vitest = runner(await nodeOf(node), join(CACHE, `tests-${node}-${undici}.json`), env)
  const first = await vitest('test/unit', 'test/scenario', 'test/matrix')
  // No test at all would pass as well.
  const ran = first.total > 100
  const alone = ran && first.code !== 0 && first.broken.length > 0 ? await vitest(...first.broken, '--no-file-parallelism') : undefined
  const { code } = alone ?? first
  const late = first.total - first.passed
  return {
    what: `tests, Node ${node}, undici ${version}`,
    seen: ran
      ? `${first.passed} of ${first.total} tests${alone === undefined ? '' : `, ${late} more ${code === 0 ? 'passed' : 'failed'} alone`}`
      : `exit code ${code}`,
    ok: ran && code === 0,
    seconds: first.seconds + (alone?.seconds ?? 0),
    output: first.output + (alone?.output ?? ''),
  }
}

/** Runs vitest with `binary` over the given paths: what it counted, and the files that did not pass. */
function runner(binary, report, env) {
  return async (...args) => {
    rmSync(report, { force: true })
    const vitest = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ...args]
    const result = await run(binary, [...vitest, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], { env })
    try {
      const { numPassedTests: passed, numTotalTests: total, testResults } = JSON.parse(readFileSync(report, 'utf8'))
      const broken = testResults.filter(({ status }) => status !== 'passed').map(({ name }) => relative(ROOT, name))
      return { ...result, passed, total, broken }
    } catch {
      return { ...result, passed: 0, total: 0, broken: [] }
    }
  }
}
