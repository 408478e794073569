import { describe, expect, it } from 'vitest'
import type { DispatchController, DispatchHandler } from '../../src/outbound/handler.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

describe('explain', () => {
  const shop = () =>
    meshOf({
      services: { orders: { endpoints: ['10.0.0.1:80'], timeout: '3s' }, next: { endpoints: ['10.0.0.2:80', '10.0.0.3:80'] } },
      policies: [{ name: 'no', target: { service: 'next', paths: ['/v1/secret'] }, action: 'deny' }],
      routes: [
        {
          hosts: ['shop', '*.shop.example'],
          rules: [
            { name: 'old', match: [{ path: { prefix: '/old' } }], redirect: { scheme: 'https', prefix: '/api' } },
            { name: 'tea', match: [{ path: { exact: '/tea' } }], respond: { status: 418, headers: { 'x-a': '1' }, body: 'no' } },
            {
              name: 'split',
              match: [{ path: { pathSeparatedPrefix: '/api' } }],
              backends: [
                { service: 'orders', weight: 1 },
                { service: 'next', weight: 3 },
                { service: 'orders', weight: 0 },
              ],
              rewrite: { prefix: '/v1', host: 'inner' },
              headers: { request: { remove: ['a'], set: { b: '1' } }, response: { add: { c: '2' } } },
              mirror: [{ service: 'orders', percent: 5 }],
              hash: [{ header: 'x-user' }],
              retry: { attempts: 0 },
              fault: { delay: { duration: '1s' } },
            },
          ],
        },
      ],
    })

  it('the rule, the shares, what is changed, and each backend with what it goes by', () => {
    const told = shop().explain({ url: 'http://a.shop.example/api/secret?x', headers: { 'X-User': 'ann' } })
    const by = 'options/route/default/shop#split'
    expect(told.route).toEqual({
      host: 'a.shop.example',
      match: '*.shop.example',
      route: 'shop',
      rule: 'split',
      service: 'next',
      decision: 'service',
    })
    expect(told.backends.map(({ service, share }) => [service, share])).toEqual([
      ['orders', 0.25],
      ['next', 0.75],
      ['orders', 0],
    ])
    expect(told.rewrites).toEqual([
      `the path becomes /v1/secret?x (${by})`,
      `the host becomes inner (${by})`,
      `the request header a is removed (${by})`,
      `the request header b is set to 1 (${by})`,
      `the response header c gets 2 added (${by})`,
      `5 % of the calls are copied to orders (${by})`,
      `the draw among the backends goes by the key "ann", which leads to next (${by})`,
    ])
    expect(told.candidates.map(({ address }) => address)).toEqual(['10.0.0.2:80', '10.0.0.3:80'])
    expect(told.gates.map(({ name, state, from }) => [name, state, from])).toEqual([
      ['policies', 'deny by the policy no', 'options/outbound-policy/default/no'],
      ['circuit-breaker', 'closed', 'built-in/defaults//inmesh#circuitBreaker'],
      ['fault', 'delays 100 % of calls by 1s', by],
    ])
    expect([told.retry?.applies, told.from['retry'], told.from['rule'], told.from['route']]).toEqual([
      false,
      by,
      by,
      'options/route/default/shop',
    ])
    expect(
      told.alternatives?.map(({ service, candidates, timeouts, from }) => [
        service,
        candidates.length,
        timeouts?.timeoutMs,
        from['timeouts'],
      ]),
    ).toEqual([['orders', 1, 3_000, 'options/traffic-policy/default/orders#timeouts']])
  })

  it('answers of the mesh itself, and calls that no rule matches', () => {
    const mesh = shop()
    const old = mesh.explain({ url: 'http://shop:8080/old/1?q' })
    expect([old.route.decision, old.route.rule, old.answer]).toEqual([
      'answer',
      'old',
      { status: 301, headers: { location: 'https://shop/api/1?q' }, bodyBytes: 0 },
    ])
    expect(mesh.explain({ url: 'http://shop/tea' }).answer).toEqual({ status: 418, headers: { 'x-a': '1' }, bodyBytes: 2 })
    const none = mesh.explain({ url: 'http://shop/none' })
    expect([none.route.decision, none.route.match, none.from]).toEqual([
      'refuse',
      'no rule of the route shop matches: the call ends with MESH_UNKNOWN_SERVICE',
      { route: 'options/route/default/shop' },
    ])
  })

  it('is what happens', async () => {
    const [a, b] = [await server(200), await server(200)]
    const mesh = meshOf({
      services: { a: { endpoints: [a.address] }, b: { endpoints: [b.address] } },
      routes: [
        {
          hosts: ['shop'],
          rules: [
            { match: [{ query: [{ name: 'v', exact: '2' }] }], backends: [{ service: 'b' }] },
            { match: [{ method: 'POST' }, { headers: [{ name: 'x', present: true }] }], backends: [{ service: 'a' }] },
          ],
        },
      ],
    })
    for (const [url, method, headers] of [
      ['http://shop/?v=2', 'POST', {}],
      ['http://shop/?v=1', 'POST', {}],
      ['http://shop/', 'GET', { x: '1' }],
      ['http://shop/', 'GET', {}],
    ] as const) {
      const before = [a.requests.length, b.requests.length]
      const { service } = mesh.explain({ url, method, headers }).route
      const sent = mesh.fetch(url, { method, headers })
      if (service === undefined) expect((await failure(sent)).code).toBe('MESH_UNKNOWN_SERVICE')
      else await sent
      const now = [a.requests.length, b.requests.length].map((count, index) => count - (before[index] as number))
      expect(now).toEqual([service === 'a' ? 1 : 0, service === 'b' ? 1 : 0])
    }
  })
})

describe('an answer of the mesh itself, to handlers of both dialects', () => {
  const answering = () => meshOf({ routes: [{ hosts: ['shop'], rules: [{ respond: { status: 201, body: 'ready' } }] }] })
  const told = (log: string[], react: Partial<Record<string, (controller: DispatchController) => void>> = {}): DispatchHandler => ({
    onRequestStart(controller) {
      log.push('start')
      react['start']?.(controller)
    },
    onResponseStart(controller, status) {
      log.push(`head ${status}`)
      react['head']?.(controller)
    },
    onResponseData(controller, chunk) {
      log.push(`data ${chunk}`)
      react['data']?.(controller)
    },
    onResponseEnd: () => void log.push('end'),
    onResponseError: (_, error) => void log.push(`error ${(error as Error).message}`),
  })
  const dispatch = (handler: DispatchHandler): void =>
    void answering().dispatcher.dispatch({ origin: 'http://shop', path: '/', method: 'GET' }, handler)
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

  it('comes after dispatch has returned, once', async () => {
    const log: string[] = []
    dispatch(told(log))
    expect(log).toEqual(['start'])
    await turn()
    expect(log).toEqual(['start', 'head 201', 'data ready', 'end'])
    const legacy: string[] = []
    dispatch({
      onConnect: () => void legacy.push('connect'),
      onHeaders: (status) => legacy.push(`head ${status}`) > 0,
      onData: (chunk) => legacy.push(`data ${chunk}`) > 0,
      onComplete: () => void legacy.push('complete'),
      onError: () => void legacy.push('error'),
    })
    await turn()
    expect(legacy).toEqual(['connect', 'head 201', 'data ready', 'complete'])
  })

  it('waits for a reader that pauses', async () => {
    const log: string[] = []
    let held: DispatchController | undefined
    const pause = (controller: DispatchController): void => {
      held = controller
      controller.pause()
    }
    dispatch(told(log, { head: pause, data: pause }))
    await turn()
    expect(log).toEqual(['start', 'head 201'])
    held?.resume()
    expect(log).toEqual(['start', 'head 201', 'data ready'])
    held?.resume()
    held?.resume()
    expect(log).toEqual(['start', 'head 201', 'data ready', 'end'])
  })

  it.each(['start', 'head', 'data'])('an abort in %s ends it, and a hook that throws aborts', async (where) => {
    for (const react of [
      (controller: DispatchController) => controller.abort(new Error('left')),
      () => {
        throw new Error('left')
      },
    ]) {
      const log: string[] = []
      dispatch(told(log, { [where]: react }))
      await turn()
      expect(log.at(-1)).toBe('error left')
      expect(log.filter((each) => /^(?:error|end)/.test(each))).toHaveLength(1)
    }
  })
})
