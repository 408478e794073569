import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import { createMesh, MeshError } from '../../../src/index.ts'

/** Every problem of `options`, line by line. */
function problemsOf(options: unknown): string[] {
  try {
    parseMeshOptions(options)
    return []
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError)
    expect((error as MeshError).code).toBe('MESH_CONFIG')
    return (error as MeshError).reason.split('\n').filter((line) => !/^\d+ problems$/.test(line))
  }
}

const orders = (service: unknown) => ({ services: { orders: service } })

describe('bad options', () => {
  it.each<[unknown, string[]]>([
    [orders({ retry: { attempts: -1 } }), ['services.orders.retry.attempts: expected an integer from 0 to 10, got -1']],
    [orders({ retry: { attempts: 1.5 } }), ['services.orders.retry.attempts: expected an integer from 0 to 10, got 1.5']],
    [orders({ retry: { attempts: Number.NaN } }), ['services.orders.retry.attempts: expected an integer from 0 to 10, got NaN']],
    [
      orders({ timeout: 2 ** 31 }),
      ["services.orders.timeout: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got 2147483648"],
    ],
    [orders({ timeout: 0 }), ["services.orders.timeout: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got 0"]],
    [
      orders({ timeout: -5 }),
      ["services.orders.timeout: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got -5"],
    ],
    [
      orders({ connectTimeout: 'soon' }),
      [`services.orders.connectTimeout: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got "soon"`],
    ],
    [
      orders({ circuitBreaker: { failurePercent: 0.5 } }),
      ['services.orders.circuitBreaker.failurePercent: expected a percentage from 1 to 100, got 0.5; did you mean 50?'],
    ],
    [
      orders({ outlierDetection: { maxEjectedPercent: 0.07 } }),
      ['services.orders.outlierDetection.maxEjectedPercent: expected a percentage from 0 to 100, got 0.07; did you mean 7?'],
    ],
    [
      orders({ outlierDetection: { failurePercent: 0, latency: true, compare: 'same' } }),
      [
        'services.orders.outlierDetection.failurePercent: expected a percentage from 1 to 100, got 0',
        "services.orders.outlierDetection.latency: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got true",
        'services.orders.outlierDetection.compare: expected relative, absolute, got "same"',
      ],
    ],
    [
      orders({ balancing: { slowStart: { minWeightPercent: 0.1, aggression: 0 } } }),
      [
        'services.orders.balancing.slowStart.minWeightPercent: expected a percentage from 1 to 100, got 0.1; did you mean 10?',
        'services.orders.balancing.slowStart.aggression: expected a number from 0.1 to 10, got 0',
      ],
    ],
    [
      orders({ healthCheck: { type: 'udp', path: 'healthz', method: 'CONNECT', host: 'a b', headers: { Host: 'x', 'x-y': 'a\nb' } } }),
      [
        'services.orders.healthCheck.type: expected http, tcp, grpc, got "udp"',
        'services.orders.healthCheck.path: expected a path that begins with \'/\', got "healthz"',
        'services.orders.healthCheck.method: expected a method, got "CONNECT"',
        'services.orders.healthCheck.host: expected a host such as orders.example.com, got "a b"',
        'services.orders.healthCheck.headers.Host: name: expected the name of a header that a probe may carry, got "Host"',
        'services.orders.healthCheck.headers.x-y: expected the value of a header, one line of Latin-1, got text',
      ],
    ],
    [
      orders({ healthCheck: { expectedStatuses: [99, [300, 200], '200-299', '2xx'], interval: '1s', timeout: '2s', unhealthyAfter: 0 } }),
      [
        'services.orders.healthCheck.expectedStatuses[0]: expected a status from 100 to 599, or a range such as [200, 299], got 99',
        'services.orders.healthCheck.expectedStatuses[1]: expected a status from 100 to 599, or a range such as [200, 299], got a list',
        'services.orders.healthCheck.expectedStatuses[3]: expected a status from 100 to 599, or a range such as [200, 299], got "2xx"',
        'services.orders.healthCheck.unhealthyAfter: expected an integer from 1 to 1000, got 0',
      ],
    ],
    [orders({ healthCheck: { expectedStatuses: [] } }), ['services.orders.healthCheck.expectedStatuses: expected at least one status']],
    [{ healthReporters: [{}] }, ['healthReporters[0]: expected a health reporter (an object with report), got an object']],
    [orders({ panicPercent: 101 }), ['services.orders.panicPercent: expected a percentage from 0 to 100, got 101']],
    [orders({ panicPercent: -1 }), ['services.orders.panicPercent: expected a percentage from 0 to 100, got -1']],
    [orders({ timeuot: '1s' }), ['services.orders.timeuot: unknown key, did you mean "timeout"?']],
    [orders({ colour: 'red' }), ['services.orders.colour: unknown key']],
    [
      orders({ hedge: { after: 'p49', extraLoadPercent: 0.05, max: 5, onTryTimeout: 'yes', on: [] } }),
      [
        'services.orders.hedge.on: unknown key',
        'services.orders.hedge.after: expected a duration above 0 such as \'200ms\', a percentile from p50 to p99.9, or false, got "p49"',
        'services.orders.hedge.max: expected an integer from 1 to 4, got 5',
        'services.orders.hedge.onTryTimeout: expected a boolean, got "yes"',
        'services.orders.hedge.extraLoadPercent: expected a percentage from 0 to 100, got 0.05; did you mean 5?',
      ],
    ],
    [
      orders({ retry: { rateLimitedBackoff: { headers: [{ name: 'x reset', format: 'ms' }], max: 0 } } }),
      [
        'services.orders.retry.rateLimitedBackoff.headers[0].name: expected the name of a header, got "x reset"',
        'services.orders.retry.rateLimitedBackoff.headers[0].format: expected seconds, unix, got "ms"',
        "services.orders.retry.rateLimitedBackoff.max: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got 0",
      ],
    ],
    [orders({ maxDuration: '1m' }), ['services.orders.maxDuration: not available in this version']],
    [
      orders({ balancing: { policy: 'best' } }),
      [
        'services.orders.balancing.policy: expected round-robin, weighted-round-robin, random, least-request, peak-ewma, ring-hash, maglev, got "best"',
      ],
    ],
    [
      orders({ endpoints: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.1:80'] }),
      ['services.orders.endpoints[2]: "10.0.0.1:80" is already endpoints[0]'],
    ],
    [orders({ endpoints: ['10.0.0.1'] }), ['services.orders.endpoints[0]: expected host:port, got "10.0.0.1": the port is missing']],
    [
      orders({ endpoints: [{ address: '10.0.0.1:80', weight: -2 }] }),
      ['services.orders.endpoints[0].weight: expected an integer from 1 to 1000, got -2'],
    ],
    [
      orders({ endpoints: ['169.254.169.254:80'] }),
      [
        'services.orders.endpoints[0]: expected host:port, got "169.254.169.254:80": 169.254.169.254 is a link-local or cloud metadata address, which the address policy refuses (allowAddresses lifts it)',
      ],
    ],
    [orders({ endpoints: 'all' }), ['services.orders.endpoints: expected a list of endpoints, got "all"']],
    [
      orders({ hosts: ['http://orders'] }),
      ['services.orders.hosts[0]: expected a host such as orders.example.com, orders:8080 or *.example.com, got "http://orders"'],
    ],
    [orders({ port: 80, ports: [80] }), ['services.orders: port and ports exclude each other']],
    [
      orders({ retry: { backoff: { base: '1s', max: '10ms' } } }),
      ['services.orders.retry.backoff.max: expected at least backoff.base (1s), got 10ms'],
    ],
    [
      orders({ outlierDetection: { ejectFor: '1m', maxEjectFor: '1s' } }),
      ['services.orders.outlierDetection.maxEjectFor: expected at least ejectFor (1m), got 1s'],
    ],
    [orders({ tls: { ca: 'not a certificate' } }), ['services.orders.tls.ca: no certificate can be read from it']],
    [
      orders({ tls: { key: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) } }),
      ['services.orders.tls: cert and key go together'],
    ],
    [orders(null), ['services.orders: expected an object, got null']],
    [{ services: [] }, ['services: expected an object, got a list']],
    [null, ['expected an object, got null']],
    [{ unknownHosts: 'maybe' }, ['unknownHosts: expected pass, refuse, got "maybe"']],
    [{ allowAddresses: ['here'] }, ['allowAddresses[0]: expected an address or a range such as 169.254.1.0/24, got "here"']],
    [{ clock: {} }, ['clock: expected a clock (an object with now, wallTime, setTimer, afterPoll), got an object']],
    [{ undici: {} }, ["undici: expected undici's module (with Client, Agent and Dispatcher), got an object"]],
    [
      { defaults: { timeout: 'x' } },
      [`defaults.timeout: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got "x"`],
    ],
    [
      { services: { ['x'.repeat(254)]: {} } },
      [`services.${'x'.repeat(254)}: name: expected text of 1 to 253 characters without control characters, got text of 254 characters`],
    ],
    [JSON.parse('{"services":{"__proto__":{}}}'), ['services.__proto__: this key is not allowed']],
    [
      JSON.parse('{"services":{"orders":{"retry":{"__proto__":{"attempts":9}}}}}'),
      ['services.orders.retry.__proto__: this key is not allowed'],
    ],
  ])('%j', (options, problems) => expect(problemsOf(options)).toEqual(problems))

  it('all problems come at once', () => {
    expect(
      problemsOf({ services: { a: { timeout: -1, retry: { attempts: 11, on: ['never'] } }, b: { endpoints: ['x'] } }, context: 'yes' }),
    ).toHaveLength(5)
  })

  it('two sources of the same name are refused', () => {
    const source = { name: 'a', watch: () => () => {} }
    expect(problemsOf({ sources: [source, source] })).toEqual(['sources: two sources have the same name'])
  })

  it('objects that fight back are problems, not crashes', () => {
    const cyclic: Record<string, unknown> = {}
    cyclic['services'] = cyclic
    const throwing = Object.defineProperty({}, 'services', {
      enumerable: true,
      get() {
        throw new Error('no')
      },
    })
    for (const options of [cyclic, throwing]) expect(problemsOf(options).length).toBeGreaterThan(0)
  })

  it('no secret is printed, whatever is wrong with it', () => {
    const secret = 'SECRET-KEY-MATERIAL'
    const text = problemsOf(orders({ tls: { key: secret, cert: secret, ca: secret } })).join('\n')
    expect(text).not.toContain(secret)
    expect(text).toContain('services.orders.tls.key')
  })
})

describe('good options', () => {
  it('names that objects know are names like any other', () => {
    const { resources } = parseMeshOptions({
      services: { constructor: {}, toString: {}, 'DEFAULT_GROUP@@orders': {}, 'outbound|80||orders': {} },
    })
    expect(resources.map(({ name }) => name)).toEqual(['constructor', 'toString', 'DEFAULT_GROUP@@orders', 'outbound|80||orders'])
  })

  it('nothing is kept by reference, and nothing is changed', () => {
    const endpoints = ['10.0.0.1:80']
    const options = { services: { orders: { endpoints, hosts: ['orders.example.com'], timeout: '2s' } } }
    const before = structuredClone(options)
    const mesh = createMesh(options)
    endpoints.push('10.0.0.2:80')
    options.services.orders.timeout = '9s'
    const { 'default/orders': service } = mesh.snapshot().services
    expect(service?.endpoints).toHaveLength(1)
    expect(service?.policy.timeouts.timeoutMs).toBe(2_000)
    expect(before.services.orders.timeout).toBe('2s')
  })

  it('link-local addresses that were allowed are', () => {
    expect(problemsOf({ allowAddresses: ['169.254.1.0/24'], services: { orders: { endpoints: ['169.254.1.7:80'] } } })).toEqual([])
  })

  it('defaults are the base of every service, field by field', () => {
    const mesh = createMesh({
      defaults: { timeout: '5s', retry: { attempts: 1, budget: { percent: 5 } }, circuitBreaker: false },
      services: { a: {}, b: { retry: { attempts: 4 }, circuitBreaker: { minRequests: 3 } }, c: { retry: false } },
    })
    const { 'default/a': a, 'default/b': b, 'default/c': c } = mesh.snapshot().services
    expect(a?.policy).toMatchObject({
      timeouts: { timeoutMs: 5_000, headTimeoutMs: 5_000, connectTimeoutMs: 2_000 },
      retry: { attempts: 1, budgetPercent: 5 },
      circuitBreaker: false,
    })
    expect(b?.policy).toMatchObject({
      retry: { attempts: 4, budgetPercent: 5, budgetMinPerSecond: 10 },
      circuitBreaker: { minRequests: 3, failurePercent: 50 },
    })
    expect(c?.policy.retry.attempts).toBe(0)
    expect(a?.from['retry']).toMatchObject({ source: 'options', kind: 'defaults' })
    expect(b?.from['retry']).toMatchObject({ source: 'options', kind: 'traffic-policy', name: 'b' })
    expect(c?.from['outlierDetection']).toMatchObject({ source: 'built-in' })
  })

  it('keys print as [redacted] in snapshot, stats, explain and inspect', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const { resources } = parseMeshOptions({ services: { orders: { tls: { mode: 'simple' } } } })
    expect(resources.length).toBeGreaterThan(0)
    const probe = problemsOf(orders({ tls: { key, cert: 'x' } })).join()
    expect(probe).not.toContain('PRIVATE KEY')
  })

  it('a secret prints as nothing but [redacted]', async () => {
    const { SecretValue } = await import('../../../src/core/secret.ts')
    const secret = new SecretValue('hush')
    expect(
      [String(secret), JSON.stringify({ secret }), inspect({ secret }), `${inspect(secret, { showHidden: true })}`].join(),
    ).not.toContain('hush')
    expect(secret.reveal()).toBe('hush')
  })
})
