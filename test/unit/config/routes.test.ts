import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import { ConfigStore } from '../../../src/config/store.ts'
import { staticSource } from '../../../src/index.ts'
import type { RouteResource } from '../../../src/model/resources.ts'
import { problemsOf } from '../../support/config-problems.ts'

const TO_ORDERS = { backends: [{ service: 'orders' }] }
const route = (rule: object, more: object = {}) => ({
  services: { orders: {}, users: {} },
  routes: [{ hosts: ['shop'], rules: [rule], ...more }],
})
const match = (condition: object) => route({ match: [condition], ...TO_ORDERS })

describe('bad routes', () => {
  it.each<[options: unknown, problems: string[]]>([
    [{ routes: {} }, ['routes: expected a list of routes, got an object']],
    [route(TO_ORDERS, { hosts: [] }), ['routes[0].hosts: expected at least one']],
    [
      route(TO_ORDERS, { hosts: ['a b', '*x*', 'a:0', 'a:99999', 7] }),
      ['"a b"', '"*x*"', '"a:0"', '"a:99999"', '7'].map(
        (got, index) => `routes[0].hosts[${index}]: expected a host such as shop, shop:8080, *.example.com, shop.* or *, got ${got}`,
      ),
    ],
    [route(TO_ORDERS, { rules: [] }), ['routes[0].rules: expected at least one rule']],
    [route(TO_ORDERS, { host: 'x' }), ['routes[0].host: unknown key, did you mean "hosts"?']],
    [route({}), ['routes[0].rules[0]: expected one of backends, redirect, respond, got none']],
    [route({ ...TO_ORDERS, respond: {} }), ['routes[0].rules[0]: expected one of backends, redirect, respond, got backends and respond']],
    [
      route({ respond: {}, timeout: '1s', retry: false, mirror: [{ service: 'orders' }] }),
      ['mirror', 'timeout', 'retry'].map((key) => `routes[0].rules[0].${key}: goes with backends, not with respond`),
    ],
    [route({ backends: [] }), ['routes[0].rules[0].backends: expected at least one']],
    [route({ backends: [{ service: 'orders', weight: 0 }] }), ['routes[0].rules[0].backends: expected one whose weight is above 0']],
    [
      route({ backends: [{ service: 'orders', weight: 1.5 }] }),
      ['routes[0].rules[0].backends[0].weight: expected an integer from 0 to 1000000, got 1.5'],
    ],
    [
      route({ backends: [{ service: 'order' }, { service: 'nobody' }], mirror: [{ service: 'userz' }] }),
      [
        'routes[0].rules[0].backends[0].service: "order" is no service of these options, did you mean "orders"?',
        'routes[0].rules[0].backends[1].service: "nobody" is no service of these options',
        'routes[0].rules[0].mirror[0].service: "userz" is no service of these options, did you mean "users"?',
      ],
    ],
    [match({ paths: {} }), ['routes[0].rules[0].match[0].paths: unknown key, did you mean "path"?']],
    [route({ match: [], ...TO_ORDERS }), ['routes[0].rules[0].match: expected at least one']],
    [
      match({ path: {} }),
      ['routes[0].rules[0].match[0].path: expected one of exact, prefix, pathSeparatedPrefix, regex, template, got none'],
    ],
    [
      match({ path: { exact: '/a', prefix: '/a' } }),
      ['routes[0].rules[0].match[0].path: expected one of exact, prefix, pathSeparatedPrefix, regex, template, got exact and prefix'],
    ],
    [
      match({ path: { pathSeparatedPrefix: '/a/' } }),
      ['routes[0].rules[0].match[0].path.pathSeparatedPrefix: expected no / at its end: it stands between whole segments'],
    ],
    [
      match({ path: { exact: 'a?b' } }),
      ['routes[0].rules[0].match[0].path.exact: expected a path that begins with / and has no query, got "a?b"'],
    ],
    [
      match({ path: { regex: '(' } }),
      ['routes[0].rules[0].match[0].path.regex: "(" is not a pattern in the syntax of RE2: missing closing ): `(`'],
    ],
    [match({ path: { template: '/{a' } }), ['routes[0].rules[0].match[0].path.template: "/{a" has braces that do not belong together']],
    [
      match({ headers: [{ name: 'a b', exact: 'x' }] }),
      ['routes[0].rules[0].match[0].headers[0].name: expected the name of a header, got "a b"'],
    ],
    [
      match({ headers: [{ name: 'a', range: { start: 5, end: 5 } }] }),
      ['routes[0].rules[0].match[0].headers[0].range.end: expected more than start (5), got 5'],
    ],
    [
      match({ headers: [{ name: 'a', regex: 'x', ignoreCase: true }] }),
      ['routes[0].rules[0].match[0].headers[0].ignoreCase: goes not with regex, where (?i) says it'],
    ],
    [
      match({ query: [{ name: 'a' }] }),
      ['routes[0].rules[0].match[0].query[0]: expected one of exact, prefix, suffix, contains, regex, present, got none'],
    ],
    [match({ method: 'GET', methods: ['GET'] }), ['routes[0].rules[0].match[0]: method and methods exclude each other']],
    [match({ fraction: 0.5 }), ['routes[0].rules[0].match[0].fraction: expected a percentage from 0 to 100, got 0.5; did you mean 50?']],
    [
      route({ ...TO_ORDERS, rewrite: { prefix: '/x' } }),
      [
        'routes[0].rules[0].rewrite.prefix: stands in for a prefix, so every match must have a path with prefix, pathSeparatedPrefix or exact',
      ],
    ],
    [route({ ...TO_ORDERS, rewrite: {} }), ['routes[0].rules[0].rewrite: expected at least one of prefix, path, regex, host']],
    [
      route({ ...TO_ORDERS, rewrite: { regex: { pattern: '(a)', substitution: '\\2' } } }),
      ['routes[0].rules[0].rewrite.regex.substitution: \\2 is no group of the pattern, which has 1'],
    ],
    [
      route({ ...TO_ORDERS, rewrite: { path: '/a', regex: { pattern: '(a)', substitution: '\\1' } } }),
      ['routes[0].rules[0].rewrite: prefix, path and regex exclude each other'],
    ],
    [
      route({ ...TO_ORDERS, rewrite: { host: 'http://x' } }),
      ['routes[0].rules[0].rewrite.host: expected a host such as orders.example.com or orders:8080, got "http://x"'],
    ],
    [route({ redirect: {} }), ['routes[0].rules[0].redirect: expected something that differs, or its callers come back for ever']],
    [route({ redirect: { host: 'x', status: 200 } }), ['routes[0].rules[0].redirect.status: expected 301, 302, 303, 307 or 308, got 200']],
    [route({ respond: { status: 99 } }), ['routes[0].rules[0].respond.status: expected an integer from 200 to 599, got 99']],
    [
      route({ ...TO_ORDERS, headers: { request: { set: { Host: 'x' }, remove: ['Content-Length'] } } }),
      [
        'routes[0].rules[0].headers.request.set.Host: name: host is no header for a rule to change: rewrite.host writes it',
        'routes[0].rules[0].headers.request.remove[0]: content-length is no header for a rule to change: it belongs to the body',
      ],
    ],
    [
      route({ ...TO_ORDERS, headers: { response: { add: { a: 'x\ny' } } } }),
      ['routes[0].rules[0].headers.response.add.a: expected the value of a header, one line of Latin-1, got text'],
    ],
    [
      route({ ...TO_ORDERS, retry: { budget: { percent: 1 } } }),
      ['routes[0].rules[0].retry: the budget belongs to the service: what bounds its load is one for all rules'],
    ],
    [
      route({ ...TO_ORDERS, hedge: { after: 'p95', extraLoadPercent: 1 } }),
      ['routes[0].rules[0].hedge: extraLoadPercent belongs to the service: what bounds its load is one for all rules'],
    ],
    [route({ respond: { status: 200 }, hedge: {} }), ['routes[0].rules[0].hedge: goes with backends, not with respond']],
    [
      route({ ...TO_ORDERS, timeout: '1s', retry: { perTryTimeout: '2s' } }),
      ['routes[0].rules[0].retry.perTryTimeout: expected at most timeout: the whole call ends before such a try could'],
    ],
    [
      route({ ...TO_ORDERS, hash: [{ header: 'a', cookie: 'b' }] }),
      ['routes[0].rules[0].hash[0]: expected one of header, cookie, query, got header and cookie'],
    ],
    [
      route({ ...TO_ORDERS, mirror: [{ service: 'users', percent: 101 }] }),
      ['routes[0].rules[0].mirror[0].percent: expected a percentage from 0 to 100, got 101'],
    ],
    [
      {
        services: { orders: {} },
        routes: [
          {
            hosts: ['shop'],
            rules: [
              { name: 'a', ...TO_ORDERS },
              { name: 'a', ...TO_ORDERS },
            ],
          },
        ],
      },
      ['routes[0].rules[1].name: a is already the name of number 0'],
    ],
    [
      {
        services: { orders: {} },
        routes: [
          { hosts: ['shop', 'a.b'], rules: [TO_ORDERS] },
          { hosts: ['x', 'A.B.'], rules: [TO_ORDERS] },
          { name: 'shop', hosts: ['y'], rules: [TO_ORDERS] },
        ],
      },
      ['routes[1].hosts[1]: A.B. is already taken by the route "shop"', 'routes[2].name: shop is already the name of number 0'],
    ],
    [{ services: { orders: { lanes: { strict: 1 } } } }, ['services.orders.lanes.strict: expected a boolean, got 1']],
    [{ defaults: { lanes: { header: 'a b' } } }, ['defaults.lanes.header: expected the name of a header, got "a b"']],
  ])('%j', (options, problems) => expect(problemsOf(options)).toEqual(problems))

  it('a source may name what the options do not', () => {
    const sources = [staticSource({})]
    expect(problemsOf({ sources, routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'later' }] }] }] })).toEqual([])
  })
})

describe('routes in the store', () => {
  const of = (name: string, host: string, order = 0): RouteResource => ({
    kind: 'route',
    namespace: 'default',
    name,
    order,
    hosts: [host],
    rules: parseMeshOptions({ routes: [{ hosts: ['x'], rules: [{ respond: {} }] }] }).resources.flatMap((each) =>
      each.kind === 'route' ? each.rules : [],
    ),
  })
  const start = (...resources: RouteResource[]) => {
    const snapshots: string[][] = []
    const store = new ConfigStore({
      namespace: 'default',
      defaults: {},
      resources,
      onChange: ({ routes }) => snapshots.push(routes.map(({ name, hosts, from }) => `${name} ${hosts[0]} ${from.source}`)),
    })
    return { store, snapshots, file: store.register('file'), consul: store.register('consul') }
  }
  const whole = (version: string, ...upserts: RouteResource[]) => ({ version, upserts, removals: [], complete: true })

  it('the options win, then the later source; each keeps its order', () => {
    const { store, snapshots, file, consul } = start(of('shop', 'own'))
    file(whole('1', of('a', 'a', 0), of('b', 'b', 1), of('shop', 'theirs', 2)))
    consul(whole('1', of('b', 'other')))
    expect(store.snapshot.routes.map(({ name, hosts, from }) => `${name} ${hosts[0]} ${from.source}`)).toEqual([
      'shop own options',
      'b other consul',
      'a a file',
    ])
    consul(whole('2'))
    expect(snapshots.at(-1)).toEqual(['shop own options', 'a a file', 'b b file'])
    const { version } = store.snapshot
    file(whole('2', of('a', 'a', 0), of('b', 'b', 1), of('shop', 'theirs', 2)))
    expect(store.snapshot.version).toBe(version)
  })

  it('what cannot be followed is returned, and its former version stays', () => {
    const { store, file } = start()
    file(whole('1', of('a', 'a')))
    const broken = { ...of('a', 'b'), rules: [{ ...of('a', 'b').rules[0], respond: undefined }] } as unknown as RouteResource
    const pattern = { ...of('c', 'c') } as RouteResource
    const rules = [{ ...pattern.rules[0], matches: [{ headers: [], query: [], path: { kind: 'regex', value: '(' } }] }]
    expect(file(whole('2', broken, { ...pattern, rules } as unknown as RouteResource))).toMatchObject([
      { kind: 'route', name: 'a', problems: ['rules: rules[0] has not exactly one of backends, redirect, respond'] },
      {
        kind: 'route',
        name: 'c',
        problems: ['rules: cannot be compiled: "(": not a pattern in the syntax of RE2: missing closing ): `(`'],
      },
    ])
    expect(store.snapshot.routes.map(({ hosts }) => hosts[0])).toEqual(['a'])
    expect(file({ ...whole('3'), upserts: [null, { kind: 'route', namespace: 'x', name: 'y' }] as never })).toMatchObject([
      { problems: ['expected a resource object'] },
      {
        problems: [
          'order: expected a whole number',
          'hosts: expected a list of hosts',
          expect.stringContaining('rules: cannot be compiled'),
        ],
      },
    ])
  })
})
