// npm start: compiles the demo with the sources it stands on, where that is needed, and runs it in this process.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { isFresh } from './freshness.mjs'

const root = join(import.meta.dirname, '..')
process.chdir(root)
// Below the root, so that its `.js` is ESM to every Node; git and the package do not see it.
const cache = '.cache/demo'
const demo = join(root, cache, 'main.js')

if (!isFresh(demo, ['src', 'examples/demo', 'tsconfig.json', 'package-lock.json'])) {
  const tsup = join(root, 'node_modules/tsup/dist/cli-default.js')
  // JavaScript only; `inmesh` leads to src through tsconfig's paths.
  const compile = 'examples/demo/main.ts --no-config --format esm --target node20 --platform node --silent --out-dir'
  const { status } = spawnSync(process.execPath, [tsup, ...compile.split(' '), cache], { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) {
    console.error('npm start: the demo does not compile (see above)')
    process.exit(1)
  }
}
// The demo starts its services from its own file, and signals and the terminal belong to it: so it is this process.
process.argv[1] = demo
await import(pathToFileURL(demo).href)
