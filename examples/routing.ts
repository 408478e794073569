// Routes: one call in five goes to the new version, testers always do, old paths are redirected, and everything is mirrored.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMesh } from 'inmesh'

const seen: Record<string, number> = {}
async function start(version: string): Promise<string> {
  const server = createServer((request, response) => {
    const who = request.headers.host?.endsWith('-shadow') === true ? `${version} (copies)` : version
    seen[who] = (seen[who] ?? 0) + 1
    response.end(`${version} ${request.url}`)
  }).listen(0, '127.0.0.1')
  server.unref()
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const services = {
  orders: { endpoints: [await start('v1')] },
  'orders-v2': { endpoints: [await start('v2')] },
  'orders-next': { endpoints: [await start('next')] },
}
const mesh = createMesh({
  services,
  routes: [
    {
      hosts: ['shop'],
      rules: [
        { name: 'testers', match: [{ headers: [{ name: 'x-tester', present: true }] }], backends: [{ service: 'orders-v2' }] },
        { name: 'old', match: [{ path: { pathSeparatedPrefix: '/old' } }], redirect: { prefix: '/api' } },
        {
          name: 'everybody',
          match: [{ path: { pathSeparatedPrefix: '/api' } }],
          backends: [
            { service: 'orders', weight: 80 },
            { service: 'orders-v2', weight: 20 },
          ],
          rewrite: { prefix: '/v1' },
          mirror: [{ service: 'orders-next' }],
        },
      ],
    },
  ],
})

const text = async (path: string, headers = {}) => (await mesh.fetch(`http://shop${path}`, { headers })).text()
console.log('a tester:', await text('/api/orders/42', { 'x-tester': 'ann' }))
for (let call = 0; call < 200; call++) await text('/api/orders/42')
const redirected = await text('/old/orders/42')
console.log('an old path:', redirected)
await new Promise((resolve) => setTimeout(resolve, 100))
console.log('who was asked:', seen)
const { route, backends, rewrites } = mesh.explain({ url: 'http://shop/api/orders/42' })
console.log('why:', route.rule, backends, rewrites)
await mesh.close()
const copies = seen['next (copies)'] ?? 0
process.exitCode = redirected.endsWith(' /v1/orders/42') && copies === 201 && (seen['v2'] ?? 0) > 10 ? 0 : 1
