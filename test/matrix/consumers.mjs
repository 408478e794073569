import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { CACHE, install, nodeOf, ROOT, run } from './installs.mjs'

const SOURCES = join(import.meta.dirname, 'consumer')
/** A program that has nothing left to do ends within this, however busy the machine. */
const ENDS_WITHIN_MS = 20_000

/** Packs what would be published and gives the path of the archive, which is named for its contents: npm keeps what it knows by name. */
export async function pack() {
  mkdirSync(CACHE, { recursive: true })
  for (const name of readdirSync(CACHE)) if (name.endsWith('.tgz')) rmSync(join(CACHE, name))
  const { code, output } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', CACHE])
  const json = /\[\s*\{[\s\S]*\}\s*\]/.exec(output)?.[0]
  if (code !== 0 || json === undefined) throw new Error(`npm pack: exit code ${code}\n${output}`)
  const [{ filename, shasum }] = JSON.parse(json)
  const archive = join(CACHE, `inmesh-${shasum}.tgz`)
  renameSync(join(CACHE, filename), archive)
  return archive
}

/** A service that answers with the path, and keeps connections longer than anybody waits here. */
export async function echo() {
  const server = createServer((request, response) => request.resume().on('end', () => response.end(request.url)))
  server.keepAliveTimeout = 120_000
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { address: `127.0.0.1:${server.address().port}`, close: () => server.closeAllConnections() ?? server.close() }
}

/** An application with the package installed from its archive, beside undici of this major, and bundled with both. */
export async function application(archive, undici) {
  const path = await install(`application-${undici}`, { inmesh: `file:${archive}`, undici: String(undici) })
  cpSync(SOURCES, path, { recursive: true })
  for (const format of ['esm', 'cjs']) {
    // esbuild leaves `require` in bundles of CommonJS packages; an ES module has to bring its own.
    const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)`
    const args = ['esm.mjs', '--bundle', '--minify', '--platform=node', '--target=node20', `--format=${format}`]
    if (format === 'esm') args.push(`--banner:js=${banner}`)
    // Apart from every node_modules: a bundle has all it needs.
    const bundled = await run(join(ROOT, 'node_modules/esbuild/bin/esbuild'), [...args, `--outfile=${bundleOf(undici, format)}`], {
      cwd: path,
    })
    if (bundled.code !== 0) throw new Error(bundled.output)
  }
  return { path, undici, version: JSON.parse(readFileSync(join(path, 'node_modules/undici/package.json'), 'utf8')).version }
}

const bundleOf = (undici, format) => join(CACHE, `bundles/undici-${undici}.${format === 'esm' ? 'mjs' : 'cjs'}`)

/** Runs the application on one Node in every form. */
export async function consumersOn(node, { path, undici, version }, address) {
  const binary = await nodeOf(node)
  const forms = [
    ['import', join(path, 'esm.mjs')],
    ['require', join(path, 'cjs.cjs')],
    ['bundled, ES module', bundleOf(undici, 'esm')],
    ['bundled, CommonJS', bundleOf(undici, 'cjs')],
  ]
  const rows = []
  for (const [form, script] of forms) {
    const { code, output, seconds } = await run(binary, [script, address], { cwd: CACHE, timeoutMs: ENDS_WITHIN_MS })
    const seen = code === 124 ? 'did not end' : code === 0 ? output.trim() : `exit code ${code}`
    rows.push({
      what: `${form}, Node ${node}, undici ${version}`,
      seen,
      ok: code === 0 && /^made 8 calls$/.test(output.trim()),
      seconds,
      output,
    })
  }
  return rows
}
