// Prices of the parts of a call, in nanoseconds.
import { generateKeyPairSync, sign } from 'node:crypto'
import { do_not_optimize, measure } from 'mitata'
import * as parts from '../node_modules/.cache/inmesh-bench/parts.js'
import { balancers } from './balancers.mjs'
import { contextPrices } from './context.mjs'

const {
  Authorizer,
  ConfigStore,
  CircuitBreaker,
  Endpoint,
  EndpointSet,
  joinedRequestHeader,
  LeastRequest,
  OutlierDetector,
  parseMeshOptions,
  Plan,
  RequestView,
  RoundRobin,
  Router,
  systemClock,
  Targets,
  TimerWheel,
  TokenAuthenticator,
  WheelEntry,
} = parts

const SUCCESS = {
  verdict: 'success',
  status: 200,
  kind: undefined,
  latencyMs: 1,
  endpoint: undefined,
  unsent: false,
  unavailable: false,
  code: undefined,
  retryAfterMs: undefined,
}
const FAILURE = { ...SUCCESS, verdict: 'failure', status: 503, unavailable: true }
const CALL = { tries: 0, moves: 0, hasTried: () => false, deadline: Infinity, idempotent: true }

const settings = { failurePercent: 50, windowMs: 10_000, minRequests: 20, openForMs: 5_000 }
const outlierSettings = { consecutiveFailures: 5, ejectForMs: 30_000, maxEjectForMs: 300_000, maxEjectedPercent: 50, intervalMs: 10_000 }
const quiet = { opened() {}, closed() {}, ejected() {}, restored() {} }

function planOf(services, endpoints, routes = []) {
  const time = new TimerWheel(systemClock)
  const names = Array.from({ length: services }, (_, index) => `service-${index}`)
  const addresses = Array.from({ length: endpoints }, (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:80`)
  const { namespace, defaults, resources } = parseMeshOptions({
    services: Object.fromEntries(names.map((name) => [name, { endpoints: addresses }])),
    routes,
  })
  const monitor = { add() {}, remove() {}, reschedule() {} }
  const plan = new Plan({ time, random: Math.random, gates: [], monitor, emit() {}, report() {}, released() {} }, namespace)
  const store = new ConfigStore({ namespace, defaults, resources, onChange() {} })
  plan.apply(store.snapshot, store.snapshot.services.keys())
  const engine = { time, emit() {}, report() {} }
  return { plan, time, targets: new Targets(plan, { engine, random: Math.random }), router: new Router(engine, Math.random) }
}

const BACKENDS = [
  { service: 'service-0', weight: 90 },
  { service: 'service-0', weight: 10 },
]
/** Rules as they are written: what is asked besides the path, and a path of each kind by turns. */
const RULE_KINDS = {
  prefixes: (index) => ({ path: { pathSeparatedPrefix: `/team-${index % 100}/service-${index}` } }),
  templates: (index) => ({ path: { template: `/team-${index % 100}/service-${index}/{id}` } }),
  headers: (index) => ({ path: { prefix: '/' }, headers: [{ name: 'x-tenant', exact: `tenant-${index}` }] }),
  'patterns with a literal beginning': (index) => ({ path: { regex: `/team-${index % 100}/service-${index}/.*` } }),
  'patterns without one': (index) => ({ path: { regex: `.*/service-${index}/x` } }),
}

/** What it takes to find the rule of a call, and its backend, among `count` rules. */
async function routing(count, kind) {
  const rules = Array.from({ length: count }, (_, index) => ({ match: [RULE_KINDS[kind](index)], backends: BACKENDS }))
  const { targets, router } = planOf(1, 10, [{ hosts: ['shop'], rules }])
  const calls = Array.from({ length: 256 }, (_, turn) => {
    const index = Math.floor((turn * count) / 256)
    return {
      method: 'GET',
      path: kind === 'headers' ? '/x?y=z' : `/team-${index % 100}/service-${index}/x?y=z`,
      headers: ['accept', '*/*', 'x-tenant', `tenant-${index}`],
    }
  })
  const { routed } = targets.find('http://shop')
  const view = new RequestView(joinedRequestHeader, Math.random)
  let turn = 0
  const find = await price(() => {
    const call = calls[turn++ & 255]
    do_not_optimize(routed.match.route.rules.find(view.of(call.method, call.path, call.headers)))
  })
  const whole = await price(() =>
    do_not_optimize(router.follow(targets.find('http://shop').routed, calls[turn++ & 255], undefined, SETTINGS, true)),
  )
  return { find, whole }
}

const SETTINGS = { hashKey: undefined }

function setOf(count) {
  const set = new EndpointSet(50, Math.random)
  const spec = (index) => ({
    id: `e${index}`,
    address: `10.0.0.1:${index}`,
    host: '10.0.0.1',
    port: index,
    weight: 1,
    priority: 0,
    locality: {},
    metadata: {},
  })
  set.replace(Array.from({ length: count }, (_, index) => new Endpoint('orders', spec(index + 1))))
  return set
}

/** A gate that has seen `count` tokens of about a kilobyte, and calls that bring them again, as texts of their own. */
async function knownTokens(count) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] }
  const { inbound } = parseMeshOptions({ inbound: { authentication: { providers: { a: { issuer: 'https://a', jwks } } } } })
  const gate = new TokenAuthenticator(inbound.authentication, { clock: systemClock, random: Math.random, service: 'web' })
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const headers = Array.from({ length: count }, (_, index) => {
    const claims = { iss: 'https://a', sub: `u${index}`, exp: Math.floor(Date.now() / 1_000) + 3_600, scope: 'x'.repeat(400) }
    const input = `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}`
    return Buffer.from(`Bearer ${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`)
  })
  const callOf = (bytes) => {
    const values = [bytes.toString('latin1')]
    return { method: 'GET', hostname: 'web', pathname: '/', query: '', requestPrincipal: undefined, values: () => values }
  }
  for (const bytes of headers) await gate.admit(callOf(bytes))
  return { gate, calls: headers.map(callOf) }
}

const NAMING = {
  principal: (index) => ({ from: [{ source: { principals: [`td/ns/shop/sa/web-${index}`] } }], to: [{ operation: { methods: ['GET'] } }] }),
  host: (index) => ({ to: [{ operation: { hosts: [`web-${index}.shop`], methods: ['GET'] } }] }),
  prefix: (index) => ({ to: [{ operation: { paths: [`/api/v1/web-${index}/*`], methods: ['GET'] } }] }),
  'a suffix, kept': (index) => ({ to: [{ operation: { paths: [`*/${index}-web`] } }] }),
  'one principal and a prefix': (index) => ({
    from: [{ source: { principals: ['td/ns/shop/sa/web-1'] } }],
    to: [{ operation: { paths: [`/api/v1/web-${index}/*`] } }],
  }),
}

/** Text as it comes out of a parser: in one piece. */
const flat = (text) => Buffer.from(text).toString('latin1')

/** Requests that each meet one of the policies, all over them. */
function inboundCalls(policies) {
  return Array.from({ length: 1_000 }, (_, index) => {
    const at = (index * 37) % policies
    const host = flat(`web-${at}.shop`)
    return {
      method: 'GET',
      host,
      hostname: host,
      pathname: flat(`/api/v1/web-${at}/items/${index}`),
      port: 8080,
      localAddress: '10.0.0.1',
      peerAddress: '10.0.0.2',
      remoteAddress: '10.0.0.2',
      principal: { id: flat(`spiffe://td/ns/shop/sa/web-${at}`), trustDomain: 'td', namespace: 'shop', serviceAccount: flat(`web-${at}`) },
      values: () => [],
    }
  })
}

async function authorization(figures) {
  for (const [naming, rule] of Object.entries(NAMING)) {
    for (const count of [10, 10_000]) {
      const policies = Array.from({ length: count }, (_, index) => ({ name: `p${index}`, rules: [rule(index)] }))
      const authorizer = new Authorizer(policies)
      const calls = inboundCalls(count)
      // What is kept is kept from here on.
      for (const call of calls) authorizer.decide(call)
      let turn = 0
      figures[`authorize: ${count} policies by ${naming}`] = await price(() => {
        if (++turn === calls.length) turn = 0
        do_not_optimize(authorizer.decide(calls[turn]))
      })
    }
  }
}

async function price(operation) {
  const { p50 } = await measure(operation, { batch_samples: 4_096, min_cpu_time: 200e6 })
  return p50
}

export async function micro() {
  const figures = {}
  const one = planOf(1, 10)
  const { plan: service } = one.targets.find('http://service-0').target
  figures['route (one of 1)'] = await price(() => do_not_optimize(one.targets.find('http://service-0')))
  let turn = 0
  const ten = planOf(10, 1)
  const few = Array.from({ length: 10 }, (_, index) => `http://service-${index}`)
  figures['route (10 of 10)'] = await price(() => do_not_optimize(ten.targets.find(few[turn++ % 10])))
  const many = planOf(10_000, 1)
  const origins = Array.from({ length: 1_000 }, (_, index) => `http://service-${index * 10}`)
  figures['route (1,000 of 10,000)'] = await price(() => do_not_optimize(many.targets.find(origins[turn++ % 1_000])))
  for (const kind of Object.keys(RULE_KINDS)) {
    for (const count of kind === 'patterns without one' ? [10, 100] : [10, 10_000]) {
      const { find, whole } = await routing(count, kind)
      figures[`rule of ${count} ${kind}`] = find
      figures[`rule, backend and target of ${count} ${kind}`] = whole
    }
  }
  for (const count of [10, 10_000]) {
    const set = setOf(count)
    const leastRequest = new LeastRequest(Math.random)
    const roundRobin = new RoundRobin(Math.random)
    figures[`pick least-request of ${count}`] = await price(() => do_not_optimize(set.pick(leastRequest, CALL, 0)))
    figures[`pick round-robin of ${count}`] = await price(() => do_not_optimize(set.pick(roundRobin, CALL, 0)))
  }
  Object.assign(figures, await balancers(price))
  const breaker = new CircuitBreaker('orders', settings, one.time, quiet)
  figures['breaker admit + settle'] = await price(() => breaker.admit(CALL).settle(SUCCESS))
  figures['route + pick + admit + settle'] = await price(() => {
    const { target } = one.targets.find('http://service-0')
    const permit = breaker.admit(CALL)
    do_not_optimize(target.plan.set.pick(service.balancer, CALL, 0))
    permit.settle(SUCCESS)
  })
  class Wait extends WheelEntry {
    onTime() {}
  }
  const wait = new Wait()
  figures['deadline set + remove'] = await price(() => {
    one.time.set(wait, one.time.now + 5_000)
    one.time.remove(wait)
  })
  const { gate, calls } = await knownTokens(100)
  let next = 0
  figures['a known token admitted, one of 100'] = await price(() => do_not_optimize(gate.admit(calls[next++ % 100])))
  gate.close()
  const set = setOf(10)
  const never = new CircuitBreaker('orders', { ...settings, minRequests: Number.MAX_SAFE_INTEGER }, one.time, quiet)
  const detector = new OutlierDetector({ ...outlierSettings, consecutiveFailures: Number.MAX_SAFE_INTEGER }, set, quiet)
  const [endpoint] = set.all
  figures['storm: breaker + outlier, a failure, closed'] = await price(() => {
    never.admit(CALL).settle(FAILURE)
    detector.observe(endpoint, FAILURE, one.time.now)
  })
  const storm = new CircuitBreaker('orders', settings, one.time, quiet)
  const ejecting = new OutlierDetector(outlierSettings, set, quiet)
  figures['storm: breaker + outlier, a failure, open'] = await price(() => {
    const permit = storm.admit(CALL)
    if (permit.refused !== true) permit.settle(FAILURE)
    ejecting.observe(endpoint, FAILURE, one.time.now)
  })
  await authorization(figures)
  return { ...figures, ...(await contextPrices()) }
}
