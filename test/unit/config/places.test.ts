import { describe, expect, it } from 'vitest'
import { createMesh, fileSource, isMeshError, type Mesh, type Source, staticSource } from '../../../src/index.ts'
import { failureOf } from '../../support/failure.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { TempDir } from '../../support/temp-dir.ts'

const { keep } = lifetimes()

const SHOP = `# the shop
services:
  orders:
    hosts: [orders.example]
    endpoints: ['127.0.0.1:1']
    idleTimeout: 5s
    timeout: 300ms
    retry: { attempts: 0 }
  'odd#name':
    hosts: [odd]
    endpoints: []
routes:
  - name: shop
    hosts: [shop]
    rules:
      - name: canary
        match: [{ headers: [{ name: x-canary, exact: '1' }] }]
        timeout: 1s
        backends: [{ service: nobody }]
      - backends: [{ service: orders }]
authorization:
  - name: readers
    rules:
      - to: [{ operation: { methods: [GET] } }]
      - to: [{ operation: { methods: [HEAD] } }]
`

async function meshOf(text: string, ...others: Source[]): Promise<{ mesh: Mesh; directory: TempDir; file: string }> {
  const directory = new TempDir()
  keep(() => directory.remove())
  directory.write('mesh.yaml', text)
  const file = directory.at('mesh.yaml')
  const mesh = createMesh({ sources: [...others, fileSource({ path: file, name: 'file', pollInterval: '100ms' })] })
  keep(() => mesh.close({ timeout: 0 }))
  await mesh.ready()
  return { mesh, directory, file }
}

describe('what a file says is told with its place', () => {
  it('in explain: service, endpoints, sections, rules', async () => {
    const { mesh, file } = await meshOf(SHOP)
    const told = mesh.explain({ url: 'http://orders/' })
    expect(told.places).toEqual({
      'file/service/default/orders': `${file}:3:3`,
      'file/endpoints/default/orders': `${file}:5:5`,
      // One section, of which timeout comes first.
      'file/traffic-policy/default/orders#timeouts': `${file}:7:5`,
      'file/traffic-policy/default/orders#retry': `${file}:8:5`,
    })
    expect(mesh.explain({ url: 'http://odd/' }).places).toMatchObject({ 'file/endpoints/default/odd#name': `${file}:11:5` })
    const routed = mesh.explain({ url: 'http://shop/' })
    expect(routed.places).toMatchObject({ 'file/route/default/shop': `${file}:13:5`, 'file/route/default/shop#rules[1]': `${file}:20:9` })
  })

  it('in errors, of calls and of routes', async () => {
    const { mesh, file } = await meshOf(SHOP)
    const cause = async (url: string, headers: Record<string, string> = {}) => {
      const { cause: error } = (await failureOf(mesh.fetch(url, { headers }))) as { cause: unknown }
      if (!isMeshError(error)) throw error
      return { from: error.from, place: error.place, printed: JSON.parse(JSON.stringify(error)).place }
    }
    const refused = { from: 'file/endpoints/default/orders', place: `${file}:5:5`, printed: `${file}:5:5` }
    expect([refused, { ...refused, from: 'file/service/default/orders', place: `${file}:3:3`, printed: `${file}:3:3` }]).toContainEqual(
      await cause('http://orders/'),
    )
    expect(await cause('http://shop/', { 'x-canary': '1' })).toMatchObject({
      from: 'file/route/default/shop#canary',
      place: `${file}:16:9`,
    })
  })

  it('in authorize: the rule, or the policy', async () => {
    const { mesh, file } = await meshOf(SHOP)
    expect(mesh.authorize({ method: 'HEAD' })).toMatchObject({
      action: 'allow',
      from: 'file/authorization/default/readers#rules[1]',
      place: `${file}:25:9`,
    })
    expect(mesh.authorize({ method: 'PUT' })).toMatchObject({ action: 'deny', place: `${file}:22:5` })
  })

  it('in snapshot', async () => {
    const { mesh, file } = await meshOf(SHOP)
    const { services, routes } = mesh.snapshot()
    expect(services['default/orders']?.from).toMatchObject({ endpoints: { place: `${file}:5:5` }, retry: { place: `${file}:8:5` } })
    expect(services['default/orders']?.from['hedge']).not.toHaveProperty('place')
    expect(routes[0]?.from).toMatchObject({ place: `${file}:13:5` })
  })

  it('a line more above moves all of it, and changes no service', async () => {
    const { mesh, directory, file } = await meshOf(SHOP)
    const { version } = mesh.snapshot()
    const changed: unknown[] = []
    mesh.on('configChanged', (event) => changed.push(event))
    directory.write('mesh.yaml', `# one line more\n${SHOP}`)
    const place = () => mesh.explain({ url: 'http://orders/' }).places?.['file/service/default/orders']
    await expect.poll(place).toBe(`${file}:4:3`)
    expect([changed, mesh.snapshot().version]).toEqual([[], version])
  })

  it('options have none, nor has what another source says of the same service', async () => {
    const { mesh, file } = await meshOf('services:\n  orders: { timeout: 1s }\n', staticSource({ services: { orders: { endpoints: [] } } }))
    expect(mesh.explain({ url: 'http://orders/' }).places).toEqual({
      'file/service/default/orders': `${file}:2:3`,
      'file/traffic-policy/default/orders#timeouts': `${file}:2:13`,
    })
    const options = createMesh({ services: { orders: { endpoints: [] } } })
    expect(options.explain({ url: 'http://orders/' })).not.toHaveProperty('places')
  })
})

it('a source of somebody else names keys of its own; what is no text is refused', async () => {
  const found: unknown[] = []
  const registry: Source = {
    name: 'registry',
    watch(sink) {
      const of = (name: string, place: unknown) =>
        ({ kind: 'service', namespace: 'default', name, hosts: [], ports: [], protocol: 'auto', place }) as const
      const delta = { version: '1', upserts: [of('orders', '/mesh/orders'), of('users', 7) as never], removals: [], complete: true }
      found.push(...sink.update(delta as never))
      return () => {}
    },
  }
  const mesh = createMesh({ sources: [registry] })
  keep(() => mesh.close({ timeout: 0 }))
  await mesh.ready()
  expect(mesh.explain({ url: 'http://orders/' }).places).toEqual({ 'registry/service/default/orders': '/mesh/orders' })
  expect(found).toMatchObject([{ name: 'users', problems: ['place: expected text'] }])
})
