import { describe, expect, it } from 'vitest'
import { fileProblemText } from '../../../src/config/file/problem.ts'
import { parseContents } from '../../../src/config/file/read-configuration.ts'
import { AddressPolicy } from '../../../src/core/address.ts'
import { systemClock } from '../../../src/core/clock.ts'

const judgement = { policy: new AddressPolicy([]), namespace: 'default' }

/** What files with these texts say, `mesh.yaml` being the name of a single one. */
async function parse(given: string | Uint8Array | Record<string, string>) {
  const files = typeof given === 'string' || given instanceof Uint8Array ? { 'mesh.yaml': given } : given
  const contents = Object.entries(files).map(([label, text]) => ({ label, content: Buffer.from(text as string) }))
  const { services, problems } = await parseContents({ version: '1', files: contents }, judgement, systemClock)
  return { services: services && [...services.keys()], problems: problems.map(fileProblemText), kinds: problems.map(({ kind }) => kind) }
}

const ORDERS = 'services:\n  orders:\n    timeout: 2s\n'
const duration = (got: string) => `expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got ${got}`

describe('what a file may be', () => {
  it.each<[string, string | Uint8Array | Record<string, string>, string[]]>([
    ['YAML', ORDERS, ['orders']],
    ['JSON', '{ "services": { "orders": { "timeout": "2s", "ports": [80, 81] } } }', ['orders']],
    ['JSON indented with tabs', '{\n\t"services": {\n\t\t"orders": {\n\t\t\t"ports": [\n\t\t\t\t80\n\t\t\t]\n\t\t}\n\t}\n}\n', ['orders']],
    ['with a byte order mark', `\uFEFF${ORDERS}`, ['orders']],
    ['with Windows line ends', ORDERS.replaceAll('\n', '\r\n'), ['orders']],
    ['an explicit nothing', 'services: {}', []],
    ['several documents', `${ORDERS}---\nservices:\n  users: {}\n`, ['orders', 'users']],
    ['a leading and a trailing ---', `---\n${ORDERS}---\n`, ['orders']],
    ['several files', { 'a.yaml': ORDERS, 'b.json': '{"services": {"users": {}}}' }, ['orders', 'users']],
    ['anchors and aliases', 'services:\n  a: &it { timeout: 1s }\n  b: *it\n', ['a', 'b']],
    ['names that are numbers or words of YAML', 'services:\n  8080: {}\n  null: {}\n  true: {}\n', ['8080', 'null', 'true']],
    ['names that objects have anyway', 'services:\n  constructor: {}\n  hasOwnProperty: {}\n', ['constructor', 'hasOwnProperty']],
    ['no in retry.on is text', 'services:\n  a: { retry: { on: [reset] } }\n', ['a']],
  ])('%s', async (_, given, services) => expect(await parse(given)).toEqual({ services, problems: [], kinds: [] }))
})

describe('what is wrong is told with its place', () => {
  it.each<[string, string | Uint8Array | Record<string, string>, string[]]>([
    [
      'a value',
      'services:\n  orders:\n    hosts: [orders]\n    retry:\n      attempts: -1\n',
      ['mesh.yaml:5:7: services.orders.retry.attempts: expected an integer from 0 to 10, got -1'],
    ],
    [
      'in JSON too',
      '{\n  "services": {\n    "orders": { "timeout": "soon" }\n  }\n}',
      [`mesh.yaml:3:17: services.orders.timeout: ${duration('"soon"')}`],
    ],
    [
      'an item of a list',
      "services:\n  orders:\n    endpoints:\n      - '10.0.0.1:80'\n      - '10.0.0.1'\n",
      ['mesh.yaml:5:9: services.orders.endpoints[1]: expected host:port, got "10.0.0.1": the port is missing'],
    ],
    [
      'an unknown key',
      `services:\n  orders:\n    timeuot: 2s\n`,
      ['mesh.yaml:3:5: services.orders.timeuot: unknown key, did you mean "timeout"?'],
    ],
    [
      'what is missing, at what should have it',
      'services:\n  o:\n    endpoints:\n      - weight: 2\n',
      ['mesh.yaml:4:9: services.o.endpoints[0].address: expected host:port, got undefined'],
    ],
    [
      'behind an alias, where it was written',
      'services:\n  a: &it\n    timeout: soon\n  b: *it\n',
      [`mesh.yaml:3:5: services.a.timeout: ${duration('"soon"')}`, `mesh.yaml:3:5: services.b.timeout: ${duration('"soon"')}`],
    ],
    ['a key of a later version', 'trust: []\n', ['mesh.yaml:1:1: trust: not available in this version']],
    [
      'a route, in its own file',
      {
        'a.yaml': 'routes:\n  - hosts: [shop]\n    rules: [{ respond: {} }]\n',
        'b.yaml':
          'routes:\n  - hosts: [x, shop]\n    rules:\n      - respond: {}\n      - match: [{ path: { exact: a } }]\n        respond: {}\n',
        'c.yaml': 'routes:\n  - hosts: [y, shop]\n    rules: [{ respond: {} }]\n---\nroutes: {}\n',
      },
      [
        'b.yaml:5:27: routes[0].rules[1].match[0].path.exact: expected a path that begins with / and has no query, got "a"',
        'c.yaml:2:16: routes[0].hosts[1]: shop is already taken by the route "shop"',
        'c.yaml:5:1: routes: expected a list of routes, got an object',
      ],
    ],
    [
      'all at once, over all files',
      { 'a.yaml': 'services:\n  a: { timeout: 0 }\n  b: { port: 0 }\n', 'b.yaml': 'services:\n  c: { ports: 1 }\n', 'c.yaml': 'a: [' },
      [
        `a.yaml:2:8: services.a.timeout: ${duration('0')}`,
        'a.yaml:3:8: services.b.port: expected an integer from 1 to 65535, got 0',
        'b.yaml:2:8: services.c.ports: expected a list of ports, got 1',
        'c.yaml:1:5: Flow sequence in block collection must be sufficiently indented and end with a ]',
      ],
    ],
    [
      'a service that stands twice, with both places',
      { 'a.yaml': ORDERS, 'b.yaml': ORDERS },
      ['b.yaml:2:3: services.orders: this service is there twice, first at a.yaml:2:3'],
    ],
    [
      'twice in the documents of one file',
      `${ORDERS}---\n${ORDERS}`,
      ['mesh.yaml:6:3: services.orders: this service is there twice, first at mesh.yaml:2:3'],
    ],
    [
      'one host in two files',
      { 'a.yaml': 'services:\n  a: { hosts: [x.example.com] }\n', 'b.yaml': 'services:\n  b: { hosts: [x.example.com] }\n' },
      ['b.yaml:2:16: services.b.hosts[0]: x.example.com is already taken by service default/a'],
    ],
    ['a key that is there twice', 'services:\n  a: {}\n  a: {}\n', ['mesh.yaml:3:3: services.a: this key is there twice']],
    ['also when it is services', 'services: {}\nservices: {}\n', ['mesh.yaml:2:1: services: this key is there twice']],
    ['__proto__', 'services:\n  a:\n    __proto__: { timeout: 1s }\n', ['mesh.yaml:3:5: services.a.__proto__: this key is not allowed']],
    [
      'a merge key',
      'services:\n  a: &a { timeout: 1s }\n  b:\n    <<: *a\n',
      ['mesh.yaml:4:5: services.b: merge keys (<<) are not supported'],
    ],
    ['a tag', 'services:\n  a: !secret { timeout: 1s }\n', ['mesh.yaml:2:6: Unresolved tag: !secret']],
    ['a tag of YAML 1.1', 'services:\n  a: { timeout: !!binary aGk= }\n', ['mesh.yaml:2:17: Unresolved tag: tag:yaml.org,2002:binary']],
    ['YAML 1.1', `%YAML 1.1\n---\n${ORDERS}`, ['mesh.yaml:1:1: expected YAML 1.2, got %YAML 1.1']],
    ['an alias to nothing', 'services:\n  a: *b\n', ['mesh.yaml:2:6: services.a: there is no anchor &b before this alias']],
    ['an alias to itself', 'services:\n  a: &a { hosts: [*a] }\n', ['mesh.yaml:2:19: services.a.hosts[0]: refers to itself']],
    ['a key that is no text', 'services:\n  ? [a]\n  : {}\n', ['mesh.yaml:2:5: With stringKeys, all keys must be strings']],
    ['a list', '- services\n', ['mesh.yaml:1:1: expected an object with services, got a list']],
    ['services of null', 'services:\n', ['mesh.yaml:1:1: services: expected an object, got null']],
    ['UTF-16', Buffer.from(`\uFEFF${ORDERS}`, 'utf16le'), ['mesh.yaml:1:1: expected UTF-8, got UTF-16 (little endian)']],
    ['UTF-16 without a mark', Buffer.from(ORDERS, 'utf16le'), ['mesh.yaml:1:2: a NUL byte: this is no text in UTF-8']],
    ['a NUL byte', 'services:\n  a: {}\0\n', ['mesh.yaml:2:8: a NUL byte: this is no text in UTF-8']],
    [
      'Latin-1',
      Buffer.from('services:\n  a: { hosts: [kö.example.com] }\n', 'latin1'),
      ['mesh.yaml:2:17: expected UTF-8, got other bytes'],
    ],
    ['what only looks like text', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xe4]), ['mesh.yaml:1:5: expected UTF-8, got other bytes']],
  ])('%s', async (_, given, problems) => {
    const found = await parse(given)
    expect(found.problems).toEqual(problems)
    expect(found.services).toBeUndefined()
  })

  it.each(['', '   \n', '# nothing yet\n', '---\n', '---\n---\n', 'null\n', '~'])('nothing at all is its own kind: %j', async (text) => {
    expect(await parse(text)).toEqual({
      services: undefined,
      kinds: ['empty'],
      problems: ['mesh.yaml:1:1: there is nothing in this file; only an explicit "services: {}" leaves no service'],
    })
  })

  it('keys and certificates are not printed', async () => {
    const { problems } = await parse('services:\n  a:\n    tls: { key: hunter2, cert: "-----BEGIN" }\n')
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.join()).not.toMatch(/hunter2|BEGIN/)
  })
})

describe('files that mean harm', () => {
  /** In time of the processor, which others on the machine do not lengthen. */
  const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
    const start = process.cpuUsage()
    const result = await work
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1_000).toBeLessThan(ms)
    return result
  }
  const levels = (count: number, width: number): string =>
    Array.from(
      { length: count },
      (_, at) =>
        `  l${at}: &l${at} [${Array(width)
          .fill(at === 0 ? 'x' : `*l${at - 1}`)
          .join(', ')}]\n`,
    ).join('')

  it('a bomb of aliases is refused where it goes off', async () => {
    const { problems } = await within(2_000, parse(`bomb:\n${levels(12, 10)}services: {}\n`))
    expect(problems.filter((each) => each.includes('aliases'))).toEqual([
      expect.stringMatching(/^mesh\.yaml:\d+:\d+: bomb\.l\d\[\d\]: aliases unfold into more than 100000 values$/),
    ])
  })

  it('a bomb of aliases in services too', async () => {
    const endpoints = `    endpoints: &e [${Array.from({ length: 5_000 }, (_, at) => `'10.0.${at >> 8}.${at & 255}:80'`).join(', ')}]\n`
    const services = Array.from({ length: 1_000 }, (_, at) => `  s${at}: { endpoints: *e }\n`).join('')
    const { problems } = await within(10_000, parse(`services:\n  first:\n${endpoints}${services}`))
    expect(problems).toEqual([expect.stringMatching(/aliases unfold into more than 100000 values/)])
  })

  it.each([
    ['lists in flow', '['.repeat(100_000)],
    ['objects in flow', '{a: '.repeat(100_000)],
    ['lists in blocks', '- '.repeat(100_000)],
    ['keys', '? '.repeat(100_000)],
  ])('%s nested without end neither end the process nor take long', async (_, text) => {
    const { problems } = await within(2_000, parse(`services:\n  ${text}`))
    expect(problems).toEqual([expect.stringMatching(/nested more than 200 levels deep/)])
  })

  it.each([
    ['mistakes of syntax', `services: [${','.repeat(300_000)}]`, 501, 'cannot be parsed: has more than 500 mistakes'],
    ['keys that are there twice', 'services: {}\n'.repeat(100_000), 1_001, 'and 98999 more problems'],
    [
      'values that cannot be taken',
      `services:\n${Array.from({ length: 5_000 }, (_, at) => `  s${at}: 1\n`).join('')}`,
      1_001,
      'and 4000 more problems',
    ],
    ['parts', `services: [${'a, '.repeat(400_000)}]`, 1, 'has more than 1000000 parts'],
  ])('%s without end fill no memory', async (_, text, count, last) => {
    const { problems } = await within(15_000, parse(text))
    expect(problems).toHaveLength(count)
    expect(problems.filter((each) => each.includes(last))).toHaveLength(1)
  })

  it('a key as long as a file makes no message of that length', async () => {
    const { problems } = await parse(JSON.stringify({ services: {}, ['k'.repeat(1_000_000)]: 1 }))
    expect(problems.map((each) => each.length < 1_100)).toEqual([true])
  })

  it('30,000 keys are no quadratic matter', async () => {
    const { services } = await within(10_000, parse(`services:\n${Array.from({ length: 30_000 }, (_, at) => `  s${at}: {}\n`).join('')}`))
    expect(services).toHaveLength(30_000)
  })

  it('other work goes on while a large text is taken apart', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await parse(`services:\n${Array.from({ length: 5_000 }, (_, at) => `  s${at}: { timeout: 2s }\n`).join('')}`)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(3)
  })
})
