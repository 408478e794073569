import { spawn } from 'node:child_process'
import { readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMesh, fileSource } from '../src/index.ts'
import { place, ROOT, requireBuild } from './support/child-script.ts'
import { TempDir } from './support/temp-dir.ts'

const MAIN = join(ROOT, 'dist/cli/main.js')
const directory = new TempDir()
beforeAll(requireBuild)
afterAll(() => directory.remove())

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs the built command in the directory of the test. */
function inmesh(args: readonly string[], { main = MAIN, nodeArgs = [] as string[] } = {}): Promise<Ended> {
  const child = spawn(process.execPath, [...nodeArgs, main, ...args], { cwd: directory.path, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...said }))
  })
}

const ORDERS = `services:
  orders:
    hosts: [orders.example.com]
    endpoints: ['10.0.0.1:8080', '10.0.0.2:8080']
    timeout: 2s
`
directory.write('mesh.yaml', ORDERS)
directory.write(
  'routes.yaml',
  `routes:
  - hosts: [shop]
    rules:
      - name: canary
        match: [{ headers: [{ name: x-canary, exact: '1' }] }]
        backends: [{ service: orders, weight: 3 }, { service: elsewhere }]
        timeout: 500ms
      - name: gone
        match: [{ path: { prefix: /old } }]
        respond: { status: 410 }
`,
)
directory.write('more/users.json', '{ "services": { "users": { "hosts": ["users.example.com"] } } }')
directory.write('more/payments.yaml', 'services:\n  payments: {}\n')
directory.write('bad.yaml', 'services:\n  orders:\n    timeuot: 2s\n    retry:\n      attempts: -1\n---\n- list\n')

describe('inmesh check', () => {
  it('good files: a summary, and exit code 0', async () => {
    expect(await inmesh(['check', 'mesh.yaml', 'more'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: [
        'ok: 3 files, 3 services',
        '  orders    2 endpoints        mesh.yaml:2:3',
        '  payments  no endpoints       more/payments.yaml:2:3',
        '  users     users.example.com  more/users.json:1:17',
        '',
      ].join('\n'),
    })
  })

  it('bad files: one line per problem with file, line, column and path, and exit code 1', async () => {
    expect(await inmesh(['check', 'bad.yaml', 'mesh.yaml', 'none.yaml'])).toMatchObject({
      code: 1,
      stdout: [
        'bad.yaml:3:5: services.orders.timeuot: unknown key, did you mean "timeout"?',
        'bad.yaml:5:7: services.orders.retry.attempts: expected an integer from 0 to 10, got -1',
        'bad.yaml:7:1: expected an object with services, got a list',
        'mesh.yaml:2:3: services.orders: this service is there twice, first at bad.yaml:2:3',
        'none.yaml:1:1: there is no such file (ENOENT)',
        '',
      ].join('\n'),
      stderr: '5 problems in 3 files\n',
    })
  })

  it('addresses that the policy refuses, and what lifts that', async () => {
    directory.write('local.yaml', `services:\n  agent: { endpoints: ['169.254.1.1:80'] }\n`)
    expect((await inmesh(['check', 'local.yaml'])).stdout).toMatch(/^local\.yaml:2:\d+: services\.agent\.endpoints\[0\]: /)
    expect(await inmesh(['check', 'local.yaml', '--allow-address', '169.254.1.0/24'])).toMatchObject({ code: 0 })
    expect(await inmesh(['check', 'local.yaml', '--allow-address', 'here'])).toMatchObject({ code: 2 })
  })

  it('somebody who reads only the first line does no harm', async () => {
    directory.write('many.yaml', `services:\n${Array.from({ length: 900 }, (_, at) => `  s${at}: { timeuot: 1 }\n`).join('')}`)
    const child = spawn(process.execPath, [MAIN, 'check', 'many.yaml'], { cwd: directory.path, stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.stdout.once('data', () => child.stdout.destroy())
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1)
    expect(stderr).toBe('900 problems in 1 file\n')
  })
})

/** The command was told relative paths. */
const relative = (text: string): string => text.replaceAll(`${directory.path}/`, '')

describe('inmesh explain', () => {
  it('says what mesh.explain of a mesh with these files says', async () => {
    const request = { url: 'http://orders.example.com/v1', method: 'POST', headers: { 'idempotency-key': '1' } }
    const mesh = createMesh({ sources: [fileSource({ path: directory.at('mesh.yaml'), name: 'file:mesh.yaml' })] })
    await mesh.ready()
    const args = ['explain', 'mesh.yaml', '--json', '--', 'POST', 'http://orders.example.com/v1', '-H', 'Idempotency-Key: 1']
    const { code, stdout } = await inmesh(args)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(JSON.parse(relative(JSON.stringify(mesh.explain(request)))))
    expect(stdout).toContain('"file:mesh.yaml/traffic-policy/default/orders#timeouts": "mesh.yaml:')
    await mesh.close()
  })

  it('for people', async () => {
    const { stdout, code } = await inmesh(['explain', 'mesh.yaml', '--', 'http://orders/v1'])
    expect(code).toBe(0)
    expect(stdout).toBe(readFileSync(join(ROOT, 'test/conformance/cli/explained.txt'), 'utf8'))
  })

  it('routes: the same as the mesh, with backends that the files do not name', async () => {
    expect((await inmesh(['check', 'mesh.yaml', 'routes.yaml'])).stdout).toContain('ok: 2 files, 1 service, 1 route\n')
    const mesh = createMesh({ sources: [fileSource({ path: [directory.at('mesh.yaml'), directory.at('routes.yaml')], name: 'files' })] })
    await mesh.ready()
    const ask = async (...request: string[]) => inmesh(['explain', 'mesh.yaml', 'routes.yaml', ...request])
    const json = await ask('--json', '--', 'http://shop/', '-H', 'x-canary: 1')
    const expected = relative(JSON.stringify(mesh.explain({ url: 'http://shop/', headers: { 'x-canary': '1' } })))
    const named = expected.replaceAll('files/route/', 'file:routes.yaml/route/').replaceAll('files/', 'file:mesh.yaml/')
    expect(JSON.parse(json.stdout)).toEqual(JSON.parse(named))
    await mesh.close()
    const { stdout } = await ask('--', 'http://shop/', '-H', 'x-canary: 1')
    expect(stdout).toContain('  route      shop is service orders, by the rule canary of the route shop\n')
    expect(stdout).toContain('  backends   orders, 75 %\n             elsewhere, 25 %\n')
    expect(stdout).toMatch(/rule: file:routes.yaml\/route\/default\/shop#canary at routes.yaml:\d+:\d+\n/)
    expect((await ask('--', 'http://shop/old/x')).stdout).toContain(
      'shop is answered by the mesh itself, by the rule gone of the route shop\n  answer     410, 0 bytes\n',
    )
    expect((await ask('--', 'http://shop/new')).stdout).toContain(
      'shop: no rule of the route shop matches: the call ends with MESH_UNKNOWN_SERVICE',
    )
  })

  it('a stranger, a bad file, a bad URL', async () => {
    expect((await inmesh(['explain', 'mesh.yaml', '--', 'http://example.com/'])).stdout).toContain('it passes to the platform')
    expect(await inmesh(['explain', 'bad.yaml', '--', 'http://orders/'])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^bad\.yaml:3:5: /),
    })
    expect(await inmesh(['explain', 'mesh.yaml', '--', 'ftp://orders/'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^inmesh: explain\.url: expected an http or https URL/),
    })
  })
})

describe('the command itself', () => {
  it('help, version, and what is not understood', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await inmesh(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
    expect(await inmesh(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('inmesh check FILES'), stderr: '' })
    for (const args of [[], ['chek', 'mesh.yaml'], ['check', '--colour', 'mesh.yaml']])
      expect(await inmesh(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('inmesh check FILES') })
  })

  it('works behind the link that npm makes', async () => {
    symlinkSync(MAIN, directory.at('inmesh'))
    expect(await inmesh(['--version'], { main: directory.at('inmesh') })).toMatchObject({ code: 0, stderr: '' })
  })

  it.each([['check'], ['explain']])('%s loads no undici, opossum or p-retry', async (command) => {
    const tell = `
      import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(\`
        import { writeSync } from 'node:fs'
        export async function resolve(specifier, context, next) {
          const found = await next(specifier, context)
          writeSync(2, 'loaded ' + found.url + '\\\\n')
          return found
        }\`))`
    const args = command === 'check' ? ['check', 'mesh.yaml'] : ['explain', 'mesh.yaml', '--', 'http://orders/']
    const { code, stderr } = await inmesh(args, { nodeArgs: ['--import', place('cli/tell-modules.mjs', tell)] })
    expect(code).toBe(0)
    expect(stderr).toMatch(/loaded .*\/yaml\//)
    expect(stderr).not.toMatch(/node_modules[\\/](?:undici|opossum|p-retry)[\\/]/)
  })

  it('starts fast', async () => {
    // The processor's time, since others use the cores too.
    const cost = place(
      'cli/cost.mjs',
      `process.on('exit', () => { const { user, system } = process.cpuUsage(); console.error('cpu ' + (user + system) / 1e3) })`,
    )
    const nothing = place('cli/nothing.mjs', '')
    const least = async (args: readonly string[], main?: string): Promise<number> => {
      const costs: number[] = []
      for (let round = 0; round < 3; round++) {
        const { stderr } = await inmesh(args, { ...(main === undefined ? {} : { main }), nodeArgs: ['--import', cost] })
        costs.push(Number(/^cpu (.*)$/m.exec(stderr)?.[1]))
      }
      return Math.min(...costs)
    }
    const [bare, check] = [await least([], nothing), await least(['check', 'mesh.yaml'])]
    console.log(`inmesh check takes ${check.toFixed(0)} ms of a core; a script that does nothing ${bare.toFixed(0)} ms`)
    expect(check - bare).toBeLessThan(150)
  })
})
