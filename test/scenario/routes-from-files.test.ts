import { expect, it } from 'vitest'
import { fileSource } from '../../src/index.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'
import { TempDir } from '../support/temp-dir.ts'

const { server, mesh: meshOf } = testMeshes()

const yaml = (address: string, body: string) => `services:
  orders: { endpoints: ['${address}'] }
routes:
  - hosts: [shop, '*.shop.example']
    rules:
      - name: api
        match:
          - path: { pathSeparatedPrefix: /api }
            headers: [{ name: x-version, regex: 'v[0-9]+' }]
        backends: [{ service: orders }]
        rewrite: { prefix: / }
      - name: rest
        respond: { body: ${body} }
`

it('routes of files: two documents are one list, a change is followed, a mistake changes nothing', async () => {
  const directory = new TempDir()
  try {
    const orders = await server('echo')
    directory.write('mesh.yaml', yaml(orders.address, 'first'))
    directory.write('more.yaml', 'routes:\n  - hosts: [other]\n    rules: [{ redirect: { host: shop } }]\n')
    const mesh = meshOf({ sources: [fileSource({ path: [directory.at('mesh.yaml'), directory.at('more.yaml')], name: 'files' })] })
    await mesh.ready()
    const text = async (url: string, headers = {}): Promise<string> => (await mesh.fetch(url, { headers })).text()
    expect(JSON.parse(await text('http://shop/api/1', { 'x-version': 'v2' }))).toMatchObject({ path: '/1' })
    expect(await text('http://a.shop.example/api/1')).toBe('first')
    expect(await text('http://other/')).toBe('first')
    const rejected: string[] = []
    mesh.on('configRejected', ({ rejections }) => rejected.push(...rejections.flatMap(({ problems }) => problems)))
    directory.write('mesh.yaml', yaml(orders.address, 'second').replace("'v[0-9]+'", "'('"))
    await expect
      .poll(() => rejected, { timeout: 5_000 })
      .toEqual([
        expect.stringMatching(
          /mesh\.yaml:9:\d+: routes\[0\]\.rules\[0\]\.match\[0\]\.headers\[0\]\.regex: "\(" is not a pattern in the syntax of RE2/,
        ),
      ])
    expect(await text('http://shop/')).toBe('first')
    directory.write('mesh.yaml', yaml(orders.address, 'second'))
    await expect.poll(() => text('http://shop/'), { timeout: 5_000 }).toBe('second')
    directory.write('more.yaml', 'routes: []\n')
    await expect.poll(() => mesh.snapshot().routes.map(({ name }) => name), { timeout: 5_000 }).toEqual(['shop'])
    expect(await failure(mesh.fetch('http://other/'))).toMatchObject({ code: 'MESH_NO_ENDPOINT', reason: 'the route other was removed' })
  } finally {
    directory.remove()
  }
})
