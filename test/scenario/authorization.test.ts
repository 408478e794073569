import { rmSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, fileSource, type Mesh } from '../../src/index.ts'
import { TempDir } from '../support/temp-dir.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const POLICIES = `services: {}
authorization:
  - name: only-web
    rules:
      - from: [{ source: { principals: ['td/ns/shop/sa/web'] } }]
        to: [{ operation: { ports: [8080] } }]
`

/** A mesh over one file; `told` is what it said of it. */
function watched(text: string | undefined): { mesh: Mesh; path: string; told: string[]; until(check: () => boolean): Promise<void> } {
  const directory = new TempDir()
  cleanups.push(() => directory.remove())
  const path = directory.at('mesh.yaml')
  if (text !== undefined) writeFileSync(path, text)
  const mesh = createMesh({ sources: [fileSource({ path, name: 'file', pollInterval: 100 })] })
  cleanups.push(() => mesh.close())
  const told: string[] = []
  mesh.on('configRejected', ({ rejections }) =>
    told.push(...rejections.flatMap(({ problems }) => problems.map((problem) => problem.replace(/^.*\/(?=mesh\.yaml)/, '')))),
  )
  mesh.on('sourceFailed', () => told.push('failed'))
  const until = async (check: () => boolean): Promise<void> => {
    const start = performance.now()
    while (!check()) {
      if (performance.now() - start > 5_000) throw new Error('waited in vain')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return { mesh, path, told, until }
}

const WEB = { principal: 'td/ns/shop/sa/web', port: 8080 }

describe('inbound policy from a file', () => {
  it('lets nobody in before it is read; then holds, follows the file, and survives its mistakes', async () => {
    const { mesh, path, told, until } = watched(POLICIES)
    expect(mesh.authorize(WEB)).toMatchObject({ action: 'deny', from: 'file', reason: expect.stringContaining('has not answered yet') })
    await mesh.ready()
    expect(mesh.authorize(WEB)).toMatchObject({ action: 'allow', from: 'file/authorization/default/only-web#rules[0]' })
    expect(mesh.authorize({ port: 8080 })).toMatchObject({ action: 'deny', from: 'file/authorization/default/only-web' })
    // A document is taken whole: its services wait for its policies as well.
    writeFileSync(path, POLICIES.replace('ports: [8080]', 'port: [8080]').replace('services: {}', 'services: { orders: {} }'))
    await until(() => told.length > 0)
    expect(told[0]).toMatch(
      /^mesh\.yaml:6:29: authorization\[0\]\.rules\[0\]\.to\[0\]\.operation\.port: unknown key, did you mean "ports"\?$/,
    )
    expect([mesh.authorize(WEB).action, mesh.authorize().action, Object.keys(mesh.snapshot().services)]).toEqual(['allow', 'deny', []])
    writeFileSync(path, POLICIES.replace('only-web', 'web'))
    await until(() => mesh.authorize(WEB).rule === 'web')
    writeFileSync(path, 'services: {}\n')
    await until(() => mesh.authorize().action === 'allow')
    expect(mesh.stats().inbound.authorization).toMatchObject({ policies: 0, missing: [] })
  })

  it.each([
    ['a mistake', POLICIES.replace('rules', 'rule')],
    ['no YAML', '{'],
    ['a mistake in its services', POLICIES.replace('services: {}', 'services: { orders: { timeout: x } }')],
    ['nothing at all', ''],
    ['no file', undefined],
  ])('a first version with %s refuses everybody, and the next one that is right ends that', async (_, text) => {
    const { mesh, path, until } = watched(text)
    await mesh.ready({ timeout: 300 }).catch(() => {})
    expect(mesh.authorize(WEB)).toMatchObject({ action: 'deny', rule: '', from: 'file' })
    expect(mesh.stats().inbound.authorization.missing).toHaveLength(1)
    writeFileSync(path, POLICIES)
    await until(() => mesh.authorize(WEB).action === 'allow')
    expect(mesh.stats().inbound.authorization.missing).toEqual([])
    // What it had stays when it goes away.
    rmSync(path)
    await until(() => mesh.stats().sources['file']?.state === 'failed')
    expect([mesh.authorize(WEB).action, mesh.authorize().action]).toEqual(['allow', 'deny'])
  })

  it('policies of several documents are one list; each mistake has its place, and a name is there once', async () => {
    const { mesh, told, until } = watched(
      [
        'authorization: [{ name: a }]',
        'authorization:\n  - name: b\n  - name: a\n  - { name: c, action: audit }',
        'authorization: {}',
      ].join('\n---\n'),
    )
    mesh.ready().catch(() => {})
    await until(() => told.length >= 3)
    expect(told).toEqual([
      'mesh.yaml:5:5: authorization[1].name: a is already the name of number 0',
      'mesh.yaml:6:16: authorization[2].action: audit is not available in this version; dryRun: true counts and decides nothing',
      'mesh.yaml:8:1: authorization: expected a list of authorization policies, got an object',
      'failed',
    ])
  })
})
