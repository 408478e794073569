import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

export const ROOT = join(import.meta.dirname, '../..')
/** Below the root, ignored by git: what was installed once is used again. */
export const CACHE = join(ROOT, '.cache/matrix')

/** Runs a program to its end: `{ code, output, seconds }`; after `timeoutMs` it is killed and the code is 124. */
export function run(program, args, { cwd = ROOT, env = {}, timeoutMs = 300_000 } = {}) {
  const startedAt = performance.now()
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, timeoutMs)
  return new Promise((resolve) => {
    const end = (code) => {
      clearTimeout(timer)
      resolve({ code: late ? 124 : code, output, seconds: (performance.now() - startedAt) / 1_000 })
    }
    child.once('error', (error) => {
      output += error.message
      end(1)
    })
    child.once('close', (code) => end(code ?? 1))
  })
}

async function must(program, args, options) {
  const { code, output } = await run(program, args, options)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}\n${output}`)
}

/** A directory of the cache with these packages in it, and nothing else. */
export async function install(name, dependencies, overrides = {}) {
  const path = join(CACHE, name)
  const manifest = JSON.stringify({ private: true, dependencies, overrides }, null, 2)
  const stamp = join(path, 'node_modules/.installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === manifest) return path
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'package.json'), manifest)
  // A package may ask for another Node than the one that installs it: some of this is for other ones.
  await must('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--engine-strict=false'], { cwd: path })
  writeFileSync(stamp, manifest)
  return path
}

/** The path of a Node of this major: the running one where it fits, else the one that npm has. */
export async function nodeOf(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const path = join(await install(`node-${major}`, { node: String(major) }), 'node_modules/node')
  const binary = join(path, 'bin/node')
  // Where npm runs no install scripts, its own is run by hand: it fetches the binary.
  if (!existsSync(binary)) await must(process.execPath, ['installArchSpecificPackage.js'], { cwd: path })
  return binary
}

/** The undici of this major, and its exact version. */
export async function undiciOf(major) {
  const path = join(await install(`undici-${major}`, { undici: String(major) }), 'node_modules/undici')
  return { entry: join(path, 'index.js'), version: JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')).version }
}
