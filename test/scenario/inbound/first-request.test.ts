import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { createMesh, fileSource, type Mesh, type MeshOptions } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get } from '../../support/raw-request.ts'
import { TempDir } from '../../support/temp-dir.ts'

const { keep } = lifetimes()
const dir = new TempDir()
afterAll(() => dir.remove())
const POLICY = `authorization:
  - name: reads
    rules: [{ to: [{ operation: { methods: [GET], paths: [/open] } }] }]
`

async function serve(options: MeshOptions): Promise<{ port: number; mesh: Mesh }> {
  const mesh = createMesh(options)
  const server = createServer(mesh.handler((_, response) => response.end('ok')))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  keep(() => mesh.close({ timeout: 0 }))
  return { port: (server.address() as AddressInfo).port, mesh }
}

describe('policies of a source that nobody started', () => {
  it('the first requests start it and wait for it', async () => {
    const { port } = await serve({ sources: [fileSource(dir.write('mesh.yaml', POLICY))] })
    const answers = await Promise.all(['/open', '/secret', '/open'].map((path) => get(port, path)))
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 200])
  })

  it('a source that fails refuses them at once', async () => {
    const { port } = await serve({ sources: [fileSource(dir.at('missing.yaml'))] })
    const startedAt = Date.now()
    expect((await get(port, '/open')).status).toBe(403)
    expect(Date.now() - startedAt).toBeLessThan(3_000)
  })

  it('a mesh that closes lets them go', async () => {
    const silent = { name: 'silent', inbound: true, watch: () => () => {} }
    const { port, mesh } = await serve({ sources: [silent] })
    const answer = get(port, '/open').then(
      ({ status }) => status,
      () => 0,
    )
    await new Promise((resolve) => setTimeout(resolve, 20))
    await mesh.close({ timeout: 20 })
    expect([0, 503]).toContain(await answer)
    expect(mesh.stats().inbound.inflight).toBe(0)
  })
})
