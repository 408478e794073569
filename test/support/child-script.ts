import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import ts from 'typescript'
// @ts-expect-error a script without types, shared with `npm start`
import { isFresh } from '../../scripts/freshness.mjs'

/** The root of the repository. */
export const ROOT = resolve(import.meta.dirname, '../..')
/** Ignored by git and inside the package, so that what lies here imports `inmesh` as its users do. */
const CACHE = join(ROOT, '.cache')

/** How a child process ended and what it said. */
export interface Ending {
  /** Exit code; 124 when it did not end in time. */
  code: number
  stdout: string
  stderr: string
  /** From start to end. */
  ms: number
}

/** Throws unless `dist` is the build of the present sources: a stale build would prove something about yesterday. */
export function requireBuild(): void {
  if (!(isFresh as (output: string, inputs: readonly string[]) => boolean)(join(ROOT, 'dist/index.d.cts'), [join(ROOT, 'src')]))
    throw new Error('dist is missing or older than src: run `npm run build` first')
}

/** The JavaScript of one TypeScript text, with a map back to `name` so that stack traces point there. */
export function compile(text: string, name: string): string {
  return ts.transpileModule(text, {
    fileName: name,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
      inlineSources: true,
    },
  }).outputText
}

/** Writes a script where it can import `inmesh` from the build; gives its path. */
export function place(name: string, code: string): string {
  const path = join(CACHE, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, code)
  return path
}

/** Runs a script in a node of its own, from the root; after `timeoutMs` it is killed. */
export function runScript(path: string, { nodeArgs = [] as readonly string[], timeoutMs = 20_000 } = {}): Promise<Ending> {
  const started = performance.now()
  const child = spawn(process.execPath, ['--enable-source-maps', ...nodeArgs, path], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  let late = false
  const timer = setTimeout(() => {
    late = true
    said.stderr += `\n${basename(path)} did not end within ${timeoutMs} ms: something still holds the process`
    child.kill('SIGKILL')
  }, timeoutMs)
  return new Promise((resolveEnding, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolveEnding({ code: late ? 124 : (code ?? 1), ...said, ms: performance.now() - started })
    })
  })
}

/** Throws with everything the script said unless it ended well. */
export async function mustEndWell(path: string, options?: Parameters<typeof runScript>[1]): Promise<Ending> {
  const ending = await runScript(path, options)
  if (ending.code !== 0) throw new Error(`exit code ${ending.code}\n${ending.stdout}${ending.stderr}`)
  return ending
}
