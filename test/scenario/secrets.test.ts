import { createServer } from 'node:http'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, httpSource, type Mesh, type MeshEvents, type MeshOptions } from '../../src/index.ts'
import { failureOf } from '../support/failure.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { sendRaw } from '../support/raw-request.ts'
import { CertificateAuthority } from '../support/tls.ts'

const { keep, listen, serverOf } = lifetimes()

/** What must appear nowhere; each begins so, and says where it stood. */
const CANARY = /CANARY-\w+|BEGIN (?:EC )?PRIVATE KEY/g

const EVENTS: (keyof MeshEvents)[] = [
  'endpointEjected',
  'endpointUnhealthy',
  'circuitOpened',
  'configChanged',
  'configRejected',
  'sourceFailed',
  'retry',
  'fallback',
  'refused',
  'identityRotated',
  'peerRejected',
]

/** Everything that was seen, as every way of printing it shows it. */
const seen: string[] = []
afterEach(() => seen.splice(0))

function see(what: unknown): void {
  seen.push(inspect(what, { depth: 20, getters: true, maxStringLength: null, maxArrayLength: null }), String(what))
  for (let error = what; error instanceof Error; error = error.cause) seen.push(String(error.stack), inspect(error))
  try {
    seen.push(JSON.stringify(what) ?? '')
  } catch {
    // What refers to itself prints by `inspect` alone.
  }
}

/** A mesh with a secret in every place that takes one. */
async function meshWithSecrets(): Promise<Mesh> {
  const authority = new CertificateAuthority('example.org CA')
  const ours = authority.issue({ names: ['spiffe://example.org/ns/shop/sa/web'] })
  const up = await serverOf(({ request, answer, write }) => {
    if (request.path.startsWith('/garbage')) return write('HTTP/1.1 200 OK\r\nset-cookie: CANARY-answer\r\ncontent-length: x\r\n\r\n')
    return answer(request.path.startsWith('/503') ? 503 : 200, 'CANARY-body')
  })
  const registry = await serverOf(({ answer }) => answer(500, 'CANARY-registry'))
  const credentials = { authorization: 'Bearer CANARY-edit', 'x-api-key': 'CANARY-edit' }
  const mesh = createMesh({
    service: 'web',
    identity: ours,
    trust: { 'example.org': { ca: authority.cert } },
    logger: { warn: (...told: unknown[]) => see(told), error: (...told: unknown[]) => see(told) },
    services: {
      orders: {
        endpoints: [up.address],
        timeout: '300ms',
        healthCheck: { path: '/503?key=CANARY-query', headers: { authorization: 'CANARY-check' }, interval: '50ms', timeout: '40ms' },
      },
      secure: {
        endpoints: [up.address],
        connectTimeout: '100ms',
        tls: { mode: 'simple', ca: authority.cert, cert: ours.cert, key: ours.key },
      },
      spare: { endpoints: ['127.0.0.1:1'], fallback: { respond: { status: 200, headers: { 'set-cookie': 'CANARY-fallback' } } } },
    },
    routes: [
      {
        hosts: ['shop'],
        rules: [
          { match: [{ headers: [{ name: 'x-api-key', exact: 'CANARY-match' }] }], backends: [{ service: 'orders' }] },
          { match: [{ path: { prefix: '/own' } }], respond: { status: 200, headers: { 'set-cookie': 'CANARY-respond' } } },
          {
            backends: [{ service: 'orders', headers: { request: { set: credentials } } }],
            headers: { request: { add: credentials }, response: { set: { 'set-cookie': 'CANARY-edit' } } },
          },
        ],
      },
    ],
    sources: [httpSource({ url: `http://${registry.address}/list?token=CANARY-url`, headers: { authorization: 'CANARY-source' } })],
    inbound: {
      authentication: {
        providers: {
          users: {
            issuer: 'https://i',
            jwks: { url: `http://${registry.address}/keys?key=CANARY-keys`, allowHttp: true },
            from: [{ query: 'token' }],
          },
        },
        require: 'optional',
      },
      authorization: [{ name: 'no', action: 'DENY', rules: [{ to: [{ operation: { paths: ['/no'] } }] }] }],
    },
  } satisfies MeshOptions)
  keep(() => mesh.close({ timeout: 0 }))
  for (const event of EVENTS) mesh.on(event, see)
  return mesh
}

describe('no secret is printed', () => {
  it('by errors, events, logs, stats, snapshot, explain, health and answers, whatever happens', async () => {
    const mesh = await meshWithSecrets()
    see(await failureOf(mesh.ready({ timeout: 200 })))
    const headers = { authorization: 'Bearer CANARY-caller', cookie: 'sid=CANARY-caller' }
    const calls = ['orders/garbage', 'orders/503', 'spare/', 'secure/', 'shop/other', 'shop/own'].flatMap((path) =>
      ['GET', 'POST'].map((method) =>
        failureOf(mesh.fetch(`http://${path}?token=CANARY-query`, { method, headers }).then((answer) => answer.arrayBuffer())),
      ),
    )
    for (const failure of await Promise.all(calls)) see(failure)
    for (const url of ['http://shop/other', 'http://shop/own', 'http://orders/', 'http://spare/', 'http://secure/'])
      see(mesh.explain({ url, headers: { ...headers, 'x-api-key': 'CANARY-caller' } }))
    const port = await listen(createServer(mesh.handler((_, response) => response.end())))
    for (const target of ['/no?a=CANARY-query', '/x?token=CANARY-token', '/%zz?CANARY-query'])
      see(await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: web\r\nAuthorization: Basic CANARY-basic\r\nX_Y: CANARY-name\r\n\r\n`))
    for (const what of [mesh, mesh.stats(), mesh.snapshot(), mesh.health()]) see(what)
    expect(seen.length).toBeGreaterThan(60)
    expect(new Set(seen.join('\n').match(CANARY))).toEqual(new Set())
  })

  it.each<[string, () => unknown]>([
    ['an address with a password', () => createMesh({ services: { a: { endpoints: ['http://user:CANARY-password@host:80'] } } })],
    ['a host with one', () => createMesh({ services: { a: { hosts: ['user:CANARY-password@host'] } } })],
    ['a URL with one', () => httpSource({ url: 'http://user:CANARY-password@host/list?token=CANARY-token' })],
    ['a key that is none', () => createMesh({ identity: { cert: 'CANARY-cert', key: 'CANARY-key' } })],
    ['a header of two lines', () => createMesh({ defaults: { healthCheck: { headers: { authorization: 'CANARY-header\n' } } } })],
    [
      'a header of two lines in a rule',
      () => createMesh({ routes: [{ hosts: ['a'], rules: [{ headers: { request: { set: { authorization: 'CANARY-header\n' } } } }] }] }),
    ],
  ])('by what is said of %s', (_, make) => {
    let problem: unknown
    try {
      make()
    } catch (error) {
      problem = error
    }
    expect(problem).toMatchObject({ code: 'MESH_CONFIG' })
    see(problem)
    expect(seen.join('\n')).not.toMatch(CANARY)
  })
})
