// Routes: backends that are services of the options, misspelt ones, and those that a source will name.
import { createMesh, fileSource, type MeshOptions, type RouteOptions, staticSource } from 'inmesh'

const services = { orders: {}, 'orders-v2': { timeout: '2s' } } as const

export const whole: RouteOptions[] = [
  {
    name: 'shop',
    namespace: 'default',
    hosts: ['shop', '*.shop.example.com', 'shop.*', '*', 'shop:8080'],
    rules: [
      {
        name: 'canary',
        match: [
          {
            path: { pathSeparatedPrefix: '/api' },
            headers: [
              { name: 'x-canary', exact: '1', ignoreCase: true },
              { name: 'x-size', range: { start: 0, end: 10 }, invert: true, missingAsEmpty: true },
              { name: 'x-beta', present: false },
            ],
            query: [{ name: 'v', regex: '\\d+' }],
            methods: ['GET', 'POST'],
            fraction: 10,
          },
        ],
        caseSensitive: false,
        backends: [{ service: 'orders', weight: 90, headers: { request: { set: { 'x-from': 'shop' } } } }, { service: 'orders-v2' }],
        rewrite: { prefix: '/v1', host: 'orders.example.com' },
        headers: { request: { remove: ['cookie'] }, response: { add: { 'x-route': 'canary' } } },
        mirror: [{ service: 'orders-v2', percent: 1 }],
        timeout: '1s',
        idleTimeout: 500,
        retry: { attempts: 1, on: ['5xx'], perTryTimeout: '100ms', backoff: { base: 1 } },
        fault: { delay: { duration: '1s', percent: 1 } },
        fallback: { on: ['5xx'], respond: { status: 200, body: '[]' } },
        hash: [{ header: 'x-user' }, { cookie: 'session' }, { query: 'u' }],
      },
      { redirect: { scheme: 'https', host: 'x', port: 8443, prefix: '/', stripQuery: true, status: 308 } },
      { respond: { status: 410, headers: { a: 'b' }, body: 'gone' } },
    ],
  },
]

export function right(later: MeshOptions): void {
  createMesh({ services, routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'orders' }, { service: 'orders-v2' }] }] }] })
  createMesh({ services, routes: [{ hosts: ['shop'], rules: [{ respond: {} }] }] })
  createMesh({ routes: [{ hosts: ['shop'], rules: [{ redirect: { host: 'x' } }] }] })
  // A source may name it.
  createMesh({ services, sources: [fileSource('mesh.yaml')], routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'users' }] }] }] })
  createMesh({ sources: [staticSource({})], routes: [{ hosts: ['shop'], rules: [{ mirror: [{ service: 'users' }], respond: {} }] }] })
  // Nobody sees what is written.
  createMesh({ services, routes: whole })
  createMesh({ services, ...later })
  createMesh({
    services: { orders: { lanes: { header: 'x-lane', label: 'version', baseline: 'v1', strict: true } } },
    defaults: { lanes: {} },
  })
  createMesh({
    services: {
      orders: {
        subset: 'all',
        subsets: { v2: { version: 'v2' }, eu: { metadata: { region: 'eu' }, otherwise: ['v2', { region: 'us' }, 'any'] } },
      },
    },
    defaults: { subsets: { v1: { metadata: { version: 'v1' }, otherwise: 'none' } } },
    routes: [
      {
        hosts: ['shop'],
        rules: [
          {
            backends: [
              { service: 'orders', subset: 'v2', otherwise: 'any' },
              { service: 'orders', metadata: { region: 'eu' } },
            ],
            mirror: [{ service: 'orders', subset: 'v2' }],
          },
        ],
      },
    ],
  })
  staticSource({ routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'whoever' }] }] }] })
}

export function wrong(): void {
  // @ts-expect-error no such service
  createMesh({ services, routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'order' }] }] }] })
  // @ts-expect-error one of them is misspelt
  createMesh({ services, routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'orders' }, { service: 'orders-v3' }] }] }] })
  // @ts-expect-error nor is there one to mirror to
  createMesh({ services, routes: [{ hosts: ['shop'], rules: [{ respond: {}, mirror: [{ service: 'shadow' }] }] }] })
  // @ts-expect-error there are no services at all
  createMesh({ routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'orders' }] }] }] })
  // @ts-expect-error a route has hosts
  createMesh({ services, routes: [{ rules: [] }] })
  // @ts-expect-error no such condition
  createMesh({ services, routes: [{ hosts: ['shop'], rules: [{ match: [{ paths: { prefix: '/' } }], respond: {} }] }] })
  // @ts-expect-error no such status of a redirect
  createMesh({ routes: [{ hosts: ['shop'], rules: [{ redirect: { status: 200 } }] }] })
  // @ts-expect-error the budget belongs to the service
  createMesh({ services, routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'orders' }], retry: { budget: {} } }] }] })
}
