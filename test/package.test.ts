import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Ending, mustEndWell, place, ROOT, requireBuild } from './support/child-script.ts'

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }
const SUBPATHS = Object.keys(manifest.exports)
  .filter((key) => key !== './package.json')
  .map((key) => `inmesh${key.slice(1)}`)
const LAZY = /node_modules[\\/](?:undici|opossum|p-retry|yaml)[\\/]/

/** A loader hook that names every module on stderr; it sees `import()` out of CommonJS too. */
const TELL_MODULES = `
import { register } from 'node:module'
register('data:text/javascript,' + encodeURIComponent(\`
  import { writeSync } from 'node:fs'
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context)
    writeSync(2, 'loaded ' + found.url + '\\\\n')
    return found
  }
\`))`

let counter = 0
/** Runs `code` and gives what it printed, as JSON, and the modules that were loaded. */
async function observe<T>(kind: 'mjs' | 'cjs', code: string, nodeArgs: string[] = []): Promise<Ending & { value: T; loaded: string[] }> {
  const hook = place('package/tell-modules.mjs', TELL_MODULES)
  const ending = await mustEndWell(place(`package/${++counter}.${kind}`, code), { nodeArgs: ['--import', hook, ...nodeArgs] })
  const loaded = [...ending.stderr.matchAll(/^loaded (.*)$/gm)].map(([, url]) => url as string)
  return { ...ending, value: JSON.parse(ending.stdout) as T, loaded }
}

/** Loads everything inside `use`, and prints what the process looks like before and after. */
function beforeAndAfter(load: string): string {
  return `
    const look = () => ({
      open: process.getActiveResourcesInfo().filter((each) => !/Pipe|TTY|File|FSReq|MessagePort|Worker/.test(each)),
      globals: Reflect.ownKeys(globalThis).map(String).sort(),
      dispatcher: typeof globalThis[Symbol.for('undici.globalDispatcher.1')],
      listeners: process.eventNames().map(String).sort(),
    })
    const run = async () => {
      const before = look()
      ${load}
      const after = look()
      const required = typeof require === 'function' ? Object.keys(require.cache) : []
      const end = process.hrtime.bigint()
      process.on('exit', () => console.log(JSON.stringify({ before, after, required, ms: Number(process.hrtime.bigint() - end) / 1e6 })))
    }
    run()`
}

interface State {
  open: string[]
  globals: string[]
  dispatcher: string
  listeners: string[]
}

interface Look {
  before: State
  after: State
  required: string[]
  ms: number
}

const importAll = SUBPATHS.map((path) => `await import('${path}')`).join('\n')
const requireAll = SUBPATHS.map((path) => `require('${path}')`).join('\n')

/** Fails once, so that p-retry is entered; the one place where CommonJS needs a package that is ESM only. */
const retryOnce = `
  const mesh = createMesh({})
  let runs = 0
  const value = await mesh.execute('db', async () => { if (++runs === 1) throw new Error('once'); return runs }, { idempotent: true })
  await mesh.close()
  console.log(JSON.stringify(value))`

beforeAll(requireBuild)

describe('the built package', () => {
  it.each(SUBPATHS)('%s gives the same names to import and require', async (path) => {
    const imported = await observe<string[]>('mjs', `console.log(JSON.stringify(Object.keys(await import('${path}')).sort()))`)
    const required = await observe<string[]>('cjs', `console.log(JSON.stringify(Object.keys(require('${path}')).sort()))`)
    expect(imported.value).toEqual(required.value)
    expect(imported.value.length).toBeGreaterThan(0)
  })

  it('both forms work side by side and know each other’s errors', async () => {
    const { value } = await observe(
      'mjs',
      `import { createRequire } from 'node:module'
       import { isMeshError, MeshError } from 'inmesh'
       const other = createRequire(import.meta.url)('inmesh')
       console.log(JSON.stringify([other.MeshError === MeshError, isMeshError(new other.MeshError('MESH_CLOSED', {})), other.isMeshError(new MeshError('MESH_CLOSED', {}))]))`,
    )
    expect(value).toEqual([false, true, true])
  })

  it('bundled, imported and required side by side in one process: they know each other’s errors and nothing else', async () => {
    const bundles = ['mjs', 'cjs'].map((kind) => {
      const entry = place(`package/entry.${kind}`, kind === 'mjs' ? `export * from 'inmesh'` : `module.exports = require('inmesh')`)
      const outfile = join(ROOT, `.cache/package/bundle.${kind}`)
      // What a bundle of ES modules needs for the CommonJS packages in it.
      const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)`
      const format = kind === 'mjs' ? ['--format=esm', `--banner:js=${banner}`] : ['--format=cjs']
      const args = [entry, '--bundle', '--platform=node', '--target=node20', '--log-level=error', `--outfile=${outfile}`, ...format]
      execFileSync(join(ROOT, 'node_modules/esbuild/bin/esbuild'), args, { stdio: ['ignore', 'ignore', 'inherit'] })
      return outfile
    })
    const { value } = await observe(
      'mjs',
      `import { createServer } from 'node:http'
       import { createRequire } from 'node:module'
       const require = createRequire(import.meta.url)
       const [esm, cjs] = ${JSON.stringify(bundles)}
       const copies = [await import('inmesh'), require('inmesh'), await import(esm), require(cjs)]
       const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
       await new Promise((resolve) => server.once('listening', resolve))
       const address = '127.0.0.1:' + server.address().port
       const meshes = copies.map(({ createMesh }) => createMesh({ services: { orders: { endpoints: [address] }, nobody: { endpoints: ['127.0.0.1:1'], retry: false } } }))
       const before = globalThis.fetch
       const restores = meshes.map((mesh) => mesh.install())
       const through = await (await fetch('http://orders/')).text()
       for (const restore of restores.reverse()) restore()
       const answers = await Promise.all(meshes.map(async (mesh) => (await mesh.fetch('http://orders/')).text()))
       const errors = await Promise.all(meshes.map((mesh) => mesh.request('http://nobody/').catch((error) => error)))
       const known = copies.map(({ isMeshError }) => errors.every((error) => isMeshError(error) && error.code === 'MESH_CONNECT'))
       const calls = meshes.map((mesh) => mesh.stats().services.orders.calls)
       await Promise.all(meshes.map((mesh) => mesh.close()))
       server.close()
       console.log(JSON.stringify({ through, answers, known, calls, restored: globalThis.fetch === before, classes: new Set(copies.map(({ MeshError }) => MeshError)).size }))`,
    )
    expect(value).toEqual({
      through: 'ok',
      answers: ['ok', 'ok', 'ok', 'ok'],
      known: [true, true, true, true],
      // The one that was installed last lies in front.
      calls: [1, 1, 1, 2],
      restored: true,
      classes: 4,
    })
  })

  it.each(['mjs', 'cjs'] as const)('a class is one class over all entries (%s)', async (kind) => {
    const get = (path: string): string => (kind === 'mjs' ? `await import('${path}')` : `require('${path}')`)
    const { value } = await observe(
      kind,
      `(async () => {
         const root = ${get('inmesh')}, part = ${get('inmesh/resilience')}
         const guarded = part.circuitBreaker(async () => 1)
         guarded.shutdown()
         const error = await guarded().catch((reason) => reason)
         console.log(JSON.stringify(error instanceof root.MeshError))
       })()`,
    )
    expect(value).toBe(true)
  })

  it.each([
    ['import', 'mjs', importAll],
    ['require', 'cjs', requireAll],
  ] as const)(
    '%s opens nothing, changes nothing, loads no undici, opossum, p-retry or yaml, and the process ends at once',
    async (_, kind, load) => {
      const { value, loaded } = await observe<Look>(kind, beforeAndAfter(load))
      const { listeners, ...rest } = value.after
      expect(rest).toEqual({ ...value.before, listeners: undefined })
      expect(listeners.filter((each) => !value.before.listeners.includes(each))).toEqual([])
      expect(value.ms).toBeLessThan(1_000)
      expect([...loaded, ...value.required].filter((each) => LAZY.test(each))).toEqual([])
      expect([...loaded, ...value.required].some((each) => /dist[\\/]index\.c?js$/.test(each))).toBe(true)
    },
  )

  it.each([
    ['import', 'mjs', `await import('inmesh')`],
    ['require', 'cjs', `require('inmesh')`],
  ] as const)('%s loads no module of Node that a script does not have, and few files', async (_, kind, load) => {
    // Without the hook of `observe`, which loads modules itself.
    const script = place(
      `package/modules.${kind}`,
      `const before = new Set(process.moduleLoadList)
       ${load}
       console.log(JSON.stringify(process.moduleLoadList.filter((name) => !before.has(name))))`,
    )
    const added = JSON.parse((await mustEndWell(script)).stdout) as string[]
    const open = added.filter((name) => name.startsWith('NativeModule ') && !name.includes('internal/'))
    expect(open.filter((name) => !name.endsWith(' diagnostics_channel'))).toEqual([])
    const { loaded, value } = await observe<string[]>(
      kind,
      kind === 'cjs' ? `${load}; console.log(JSON.stringify(Object.keys(require.cache)))` : `${load}; console.log('[]')`,
    )
    const files = new Set(
      [...loaded, ...value].filter((each) => /dist[\\/][^/\\]+\.c?js$/.test(each)).map((each) => each.split(/[\\/]/).at(-1)),
    )
    expect(files.size).toBeGreaterThan(0)
    // Each costs an import a third of a millisecond.
    expect(files.size).toBeLessThanOrEqual(6)
  })

  it.each(['mjs', 'cjs'] as const)('a regular expression in a policy works, also where none was needed before (%s)', async (kind) => {
    const get = kind === 'mjs' ? `await import('inmesh')` : `require('inmesh')`
    const { value } = await observe(
      kind,
      `(async () => {
         const { createMesh } = ${get}
         const policy = (regex) => [{ name: 'a', permissions: [{ path: { regex, ignoreCase: true } }], principals: [{ any: true }] }]
         const mesh = createMesh({ inbound: { authorization: policy('/(a+)+') } })
         let problem = ''
         try { createMesh({ inbound: { authorization: policy('(') } }) } catch ({ code }) { problem = code }
         console.log(JSON.stringify([mesh.authorize({ path: '/aA' }).action, mesh.authorize({ path: '/b' }).action, problem]))
       })()`,
    )
    expect(value).toEqual(['allow', 'deny', 'MESH_CONFIG'])
  })

  it('a second try enters p-retry, from ESM', async () => {
    const { value, loaded } = await observe('mjs', `import { createMesh } from 'inmesh'\n${retryOnce}`)
    expect(value).toBe(2)
    expect(loaded.some((each) => each.includes('/p-retry/'))).toBe(true)
  })

  it('a second try enters p-retry, from CommonJS', async () => {
    const { value, loaded } = await observe('cjs', `const { createMesh } = require('inmesh');\n(async () => {${retryOnce}\n})()`)
    expect(value).toBe(2)
    expect(loaded.some((each) => each.includes('/p-retry/'))).toBe(true)
  })

  it.each(['mjs', 'cjs'] as const)('undici loaded late does not take the place of the platform’s (%s)', async (kind) => {
    const get = kind === 'mjs' ? `await import('inmesh')` : `require('inmesh')`
    const { value, loaded } = await observe(
      kind,
      `(async () => {
         const { createMesh } = ${get}
         const mesh = createMesh({})
         await mesh.ready()
         const dispatcher = globalThis[Symbol.for('undici.globalDispatcher.1')]
         console.log(JSON.stringify([typeof dispatcher, dispatcher instanceof (await import('undici')).Agent]))
       })()`,
    )
    expect(value).toEqual(['object', false])
    expect(loaded.some((each) => each.includes('/undici/'))).toBe(true)
  })

  it.each(['mjs', 'cjs'] as const)('a file that is watched does not hold the process (%s)', async (kind) => {
    const get = kind === 'mjs' ? `await import('inmesh')` : `require('inmesh')`
    const file = place('package/mesh.yaml', 'services:\n  orders: {}\n')
    const { value, loaded } = await observe(
      kind,
      `(async () => {
         const { createMesh, fileSource } = ${get}
         const mesh = createMesh({ sources: [fileSource(${JSON.stringify(file)})] })
         await mesh.ready()
         console.log(JSON.stringify(Object.keys(mesh.snapshot().services)))
       })()`,
    )
    expect(value).toEqual(['default/orders'])
    expect(loaded.some((each) => each.includes('/yaml/'))).toBe(true)
  })

  it('a bundler can see what is loaded late', () => {
    for (const extension of ['js', 'cjs']) {
      const code = readdirSync(join(ROOT, 'dist'))
        .filter((name) => name.endsWith(`.${extension}`))
        .map((name) => readFileSync(join(ROOT, 'dist', name), 'utf8'))
        .join('\n')
      for (const name of ['undici', 'opossum', 'p-retry', 'yaml']) {
        expect(code).toMatch(new RegExp(`import\\(['"]${name}['"]\\)`))
        expect(code).not.toMatch(new RegExp(`require\\(['"]${name}['"]\\)|from ['"]${name}['"]`))
      }
    }
  })

  it('the types name no types of undici', () => {
    for (const name of readdirSync(join(ROOT, 'dist'), { recursive: true, encoding: 'utf8' }).filter((each) => /\.d\.c?ts$/.test(each)))
      expect(readFileSync(join(ROOT, 'dist', name), 'utf8'), name).not.toMatch(/(?:from|import\()\s*['"](?:undici|opossum|p-retry|yaml)/)
  })

  it('publishes the build, the licence and the papers, and nothing else', () => {
    const printed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [{ files }] = JSON.parse(printed) as [{ files: { path: string }[] }]
    const stray = files
      .map(({ path }) => path)
      .filter((path) => !/^(?:dist\/.+|README\.md|LICENSE|CHANGELOG\.md|package\.json)$/.test(path))
    expect(stray).toEqual([])
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(['LICENSE', 'CHANGELOG.md', 'dist/index.d.cts']))
  })

  it('says how long an import takes', async () => {
    const time = `const start = process.hrtime.bigint()\nawait import('inmesh')\nconsole.log(Number(process.hrtime.bigint() - start) / 1e6)`
    const script = place('package/time.mjs', time)
    const times: number[] = []
    for (let round = 0; round < 5; round++) times.push(Number((await mustEndWell(script)).stdout))
    const [, , median] = times.sort((a, b) => a - b)
    console.log(`import('inmesh') takes ${median?.toFixed(1)} ms on ${process.version} (median of 5 processes)`)
    expect(median).toBeGreaterThan(0)
  })
})
