// A registry that names an orders service in three forms.
import { createServer } from 'node:http'
import { bind, listen, serve } from '../doc-server.mjs'

bind(await Promise.all([serve(), serve()]))
const documents = {
  '/services': { services: { orders: { endpoints: globalThis.ordersEndpoints, timeout: '2s' } } },
  '/targets': [{ targets: globalThis.ordersEndpoints, labels: { job: 'orders', version: 'v2' } }],
  '/nodes': { nodes: globalThis.ordersPorts.map((port) => ({ app: 'orders', ip: '127.0.0.1', port })) },
}
const port = await listen(
  createServer((request, response) => {
    const document = documents[request.url]
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json', etag: '"1"' })
    response.end(JSON.stringify(document))
  }),
)
globalThis.registryUrl = `http://127.0.0.1:${port}`
