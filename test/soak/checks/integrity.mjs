import { createHash } from 'node:crypto'
import { get, request } from 'node:http'
import process from 'node:process'
import { createMesh } from 'inmesh'
import { meshError, pause } from '../load.mjs'
import { bytesOf, seeded } from '../seeded.mjs'
import { services } from '../service.mjs'

const SERVERS = 4
const PARALLEL = 24
const DEADLINE_MS = 1_500
/** How much later than its deadline a call may end, besides what this process was held up by the collector and its neighbours. */
const SLACK_MS = 1_000
/** Fewer would prove little; how many there are is a matter of how much of the machine is left. */
const FEWEST_WHOLE = 30
/** Nothing that is drawn may take so long. */
const PATIENCE_MS = 15_000
/** Until the news of an end has been everywhere. */
const SETTLE_MS = 5_000

const common = {
  timeout: DEADLINE_MS,
  idleTimeout: 700,
  connectTimeout: 500,
  outlierDetection: { ejectFor: '200ms' },
  circuitBreaker: false,
}
const SERVICES = {
  plain: { ...common },
  tries: { ...common, retry: { attempts: 3, perTryTimeout: '150ms', backoff: { base: 5, max: 30 } } },
  hedged: { ...common, hedge: { after: '30ms', extraLoadPercent: 50 } },
  limited: { ...common, limits: { maxConnections: 3, maxPending: 16, maxRetries: 2 } },
  throttled: { ...common, throttle: true },
  streams: { ...common, protocol: 'http2' },
  'streams-tries': { ...common, protocol: 'http2', retry: { attempts: 3, perTryTimeout: '150ms', backoff: { base: 5, max: 30 } } },
  'streams-hedged': { ...common, protocol: 'http2', hedge: { after: '30ms', extraLoadPercent: 50 } },
  'streams-limited': { ...common, protocol: 'http2', limits: { maxConnections: 1, maxPending: 16 } },
}

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex')
const ENDS = ['whole', 'wrong body', 'wrong upload', 'answer', 'error', 'left']

/** What one call does, drawn from `random`. */
function drawn(id, random) {
  const one = (list) => list[Math.floor(random() * list.length)]
  const door = one(['fetch', 'fetch', 'fetch', 'dispatcher', 'request', 'execute', 'agent'])
  const names = Object.keys(SERVICES).filter((name) => door !== 'agent' || !name.startsWith('streams'))
  const method = one(['GET', 'GET', 'POST', 'POST', 'PUT'])
  const wrong = Array.from({ length: 3 }, () =>
    random() < 0.7 ? 'ok' : one(['late', 'late', 'busy', 'reset', 'silent', 'early', 'truncate', 'stall']),
  )
  const bytes = one([0, 20, 3_000, 90_000, 400_000])
  return {
    id,
    door,
    service: one(names),
    method,
    keyed: method === 'POST' && random() < 0.3,
    upload: method === 'GET' ? undefined : { bytes: one([0, 10, 2_000, 150_000]), how: one(['bytes', 'pieces', 'web', 'stuck']) },
    path: `/?id=${id}&bytes=${bytes}&length=${one(['said', 'open'])}&wrong=${wrong}`,
    bytes,
    reads: one(['all', 'all', 'loop', 'loop', 'slowly', 'leaves', 'drops']),
    abortAfterMs: random() < 0.2 ? random() * 250 : undefined,
    timeoutMs: random() < 0.2 ? 50 + random() * 500 : undefined,
  }
}

async function* pieces(bytes, stuck) {
  for (let at = 0; at < bytes.length || at === 0; at += 20_000) {
    yield bytes.subarray(at, at + 20_000)
    await pause(1)
  }
  if (stuck) await new Promise(() => {})
}

/** The body of a call as its door takes it. */
function uploadOf({ upload, id, door }) {
  if (upload === undefined) return undefined
  const bytes = bytesOf(~id, upload.bytes)
  if (upload.how === 'bytes') return bytes
  const source = pieces(bytes, upload.how === 'stuck')
  return upload.how === 'web' && door !== 'agent' ? ReadableStream.from(source) : source
}

/** Reads a body in the way that was drawn; gives its bytes, undefined for one that was not read to its end. */
async function read(stream, how) {
  if (how === 'drops') return undefined
  const chunks = []
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk))
    if (how === 'leaves') return undefined
    if (how === 'slowly') await pause(3)
  }
  return Buffer.concat(chunks)
}

/** One try at a door: `{ status, sent, bytes }`. */
async function through(mesh, call, signal) {
  const { door, method, service, path, reads, keyed, timeoutMs } = call
  const url = `http://${service}${path}`
  const headers = keyed ? { 'idempotency-key': String(call.id) } : {}
  const body = uploadOf(call)
  const options = timeoutMs === undefined ? undefined : { timeout: timeoutMs }
  if (door === 'agent') return mesh.with(options ?? {}, () => throughAgent(mesh, call, { url, headers, body, signal }))
  if (door === 'fetch' || door === 'execute') {
    const fetched = (signal) => mesh.fetch(url, { method, headers, body, duplex: 'half', signal, mesh: options })
    const response =
      door === 'fetch' ? await fetched(signal) : await mesh.execute('job', (task) => fetched(task.signal), { signal, timeout: 3_000 })
    const sent = response.headers.get('x-body')
    const bytes = reads === 'all' ? Buffer.from(await response.arrayBuffer()) : await read(response.body ?? [], reads)
    return { status: response.status, sent, bytes }
  }
  const given = {
    method,
    headers,
    body: body instanceof ReadableStream ? pieces(bytesOf(~call.id, call.upload.bytes)) : body,
    signal,
    mesh: options,
  }
  const answer =
    door === 'request' ? await mesh.request(url, given) : await mesh.dispatcher.request({ ...given, origin: `http://${service}`, path })
  if (reads === 'drops') answer.body.on('error', () => {}).destroy()
  return { status: answer.statusCode, sent: answer.headers['x-body'], bytes: await read(answer.body, reads) }
}

async function throughAgent(mesh, { method, reads }, { url, headers, body, signal }) {
  const sent = (method === 'GET' ? get : request)(url, { method, headers, signal, agent: mesh.httpAgent() })
  const answered = new Promise((resolve, reject) => sent.on('response', resolve).on('error', reject))
  if (method !== 'GET') void write(sent, body)
  const response = await answered
  if (reads === 'drops') response.on('error', () => {}).destroy()
  return { status: response.statusCode, sent: response.headers['x-body'], bytes: await read(response, reads) }
}

async function write(sent, body) {
  if (Buffer.isBuffer(body)) {
    sent.end(body)
    return
  }
  for await (const piece of body) {
    if (sent.destroyed || sent.errored) return
    sent.write(piece)
  }
  sent.end()
}

/** How a call ended, and how long that took. */
async function ended(mesh, call) {
  const startedAt = performance.now()
  const aborter = new AbortController()
  const timer = call.abortAfterMs === undefined ? undefined : setTimeout(() => aborter.abort(), call.abortAfterMs)
  let end
  let code
  try {
    const { status, sent, bytes } = await through(mesh, call, aborter.signal)
    if (bytes === undefined) end = 'left'
    else if (status !== 200) end = 'answer'
    else if (hashOf(bytes) !== hashOf(bytesOf(call.id, call.bytes))) end = 'wrong body'
    else if (sent !== hashOf(call.upload === undefined ? Buffer.alloc(0) : bytesOf(~call.id, call.upload.bytes))) end = 'wrong upload'
    else end = 'whole'
  } catch (error) {
    end = 'error'
    code = meshError(error)?.code ?? error.name
  }
  clearTimeout(timer)
  return { call, end, code, tookMs: performance.now() - startedAt }
}

/** `work`, or `otherwise` after longer than anything may take. */
async function inTime(work, otherwise) {
  let timer
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, otherwise)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Tells the mesh again and again which services are where, each time another part of them. */
function registryOf(all, random) {
  let sink
  let version = 0
  const push = () => {
    const upserts = Object.keys(SERVICES).map((name) => {
      const some = all.filter(() => random() < 0.7)
      const endpoints = (some.length === 0 ? all : some).map(({ http1, http2 }) => {
        const port = name.startsWith('streams') ? http2 : http1
        const address = `127.0.0.1:${port}`
        // Now and then another process is said to be at the same place.
        const id = random() < 0.1 ? `${address}/${version}` : address
        return { id, address, host: '127.0.0.1', port, weight: 1, priority: 0, locality: {}, metadata: {} }
      })
      return { kind: 'endpoints', namespace: 'default', name, endpoints }
    })
    return sink.update({ version: String(++version), upserts, removals: [], complete: true })
  }
  const watch = (given) => {
    sink = given
    push()
    return () => {}
  }
  return { push, source: { name: 'registry', watch } }
}

/** What the mesh still holds, in words; empty when it holds nothing. */
function heldBy({ inflight, services: all, executions }) {
  const held = inflight === 0 ? [] : [`${inflight} calls`]
  for (const [name, { running }] of Object.entries(executions)) if (running > 0) held.push(`${name}: ${running} executions`)
  for (const [name, { limits, endpoints, ...service }] of Object.entries(all)) {
    if (service.inflight + limits.pending + limits.retries + limits.requests > 0)
      held.push(`${name}: ${JSON.stringify({ ...limits, inflight: service.inflight })}`)
    for (const { address, inflight, connections, idleConnections } of endpoints)
      if (inflight + connections - idleConnections !== 0)
        held.push(`${name} at ${address}: ${inflight} tries, ${connections} connections, ${idleConnections} of them idle`)
  }
  return held
}

async function until(done, withinMs) {
  const endsAt = performance.now() + withinMs
  while (!(await done()) && performance.now() < endsAt) await pause(20)
}

/**
 * All doors, protocols, limits and faults at once, with the collector at work in between, drawn from one seed: every call ends in time, every
 * body comes whole or breaks, nothing is executed twice that must not be, and nothing is left.
 */
export async function run({ short, seed = Math.floor(Math.random() * 1e9) }) {
  console.log(`  seed ${seed}`)
  const random = seeded(seed)
  const complaints = []
  const complain = (what) => (error) => complaints.push(`${what}: ${error?.stack ?? error}`)
  const listeners = { unhandledRejection: complain('unhandled'), uncaughtException: complain('uncaught'), warning: complain('warning') }
  for (const [event, listener] of Object.entries(listeners)) process.on(event, listener)
  const all = await services(SERVERS, 'integrity-server.mjs')
  const ports = await Promise.all(all.map(async (service) => ({ http1: service.port, http2: (await service.report()).http2 })))
  const registry = registryOf(ports, random)
  const mesh = createMesh({ services: SERVICES, sources: [registry.source], defaults: { subset: 'all' } })
  await mesh.ready()
  const before = resources()
  const endsAt = performance.now() + (short ? 12_000 : 120_000)
  const ends = []
  let next = 0
  let stalledMs = 0
  let last = performance.now()
  const beat = setInterval(() => {
    stalledMs = Math.max(stalledMs, performance.now() - last - 10)
    last = performance.now()
  }, 10)
  const caller = async () => {
    while (performance.now() < endsAt) {
      const call = drawn(next++, random)
      ends.push(await inTime(ended(mesh, call), { call, end: 'hung', code: undefined, tookMs: Number.POSITIVE_INFINITY }))
    }
  }
  const pushing = setInterval(() => registry.push().length === 0 || complain('registry')('rejected'), 150)
  let collecting = true
  const collector = (async () => {
    while (collecting) {
      const startedAt = performance.now()
      globalThis.gc()
      await pause(5 + 3 * (performance.now() - startedAt))
    }
  })()
  await Promise.all(Array.from({ length: PARALLEL }, caller))
  clearInterval(pushing)
  await until(() => heldBy(mesh.stats()).length === 0, SETTLE_MS)
  const held = heldBy(mesh.stats())
  collecting = false
  await collector
  clearInterval(beat)
  await mesh.close()
  let left = []
  await until(() => {
    left = difference(resources(), before)
    return left.length === 0
  }, SETTLE_MS)
  let reports = []
  await until(async () => {
    reports = await Promise.all(all.map((service) => service.report()))
    return reports.every(({ sockets }) => sockets === 0)
  }, SETTLE_MS)
  for (const service of all) await service.kill()
  for (const [event, listener] of Object.entries(listeners)) process.off(event, listener)
  const times = new Map()
  for (const { seen } of reports) for (const [id, count] of seen) times.set(id, (times.get(id) ?? 0) + count)
  const calls = new Map(ends.map(({ call }) => [call.id, call]))
  const twice = [...times].filter(([id, count]) => count > 1 && calls.get(id)?.method === 'POST' && !calls.get(id)?.keyed)
  const boundOf = ({ door, reads }) =>
    (door === 'execute' ? 3_000 : 0) + DEADLINE_MS + (door === 'agent' || reads === 'slowly' ? 3 * 700 + 1_500 : 0) + SLACK_MS + stalledMs
  const late = ends.filter(({ call, tookMs }) => tookMs > boundOf(call))
  const wrong = ends.filter(({ end }) => end.startsWith('wrong'))
  const whole = ends.filter(({ end }) => end === 'whole').length
  const sockets = reports.reduce((sum, report) => sum + report.sockets, 0)
  const tell = (list, words) => {
    for (const each of list.slice(0, 10)) console.log(`  ! ${words(each)}`)
  }
  tell(late, ({ call, end, tookMs }) => `late: ${end} after ${tookMs.toFixed(0)} ms ${JSON.stringify(call)}`)
  tell(wrong, ({ call, end }) => `${end}: ${JSON.stringify(call)}`)
  tell(twice, ([id, count]) => `begun with ${count} times: ${JSON.stringify(calls.get(id))}`)
  tell(held, String)
  tell(left, String)
  tell(complaints, String)
  const counts = ENDS.map((end) => `${ends.filter((each) => each.end === end).length} ${end}`).join(', ')
  const codes = new Map()
  for (const { code } of ends) if (code !== undefined) codes.set(code, (codes.get(code) ?? 0) + 1)
  console.log(`  errors: ${[...codes].map(([code, count]) => `${count} ${code}`).join(', ')}`)
  const row = (what, seen, asked = 0) => ({ what, asked, seen, ok: seen === asked })
  return [
    { what: `${ends.length} calls: ${counts}`, asked: `>= ${FEWEST_WHOLE} whole`, seen: whole, ok: whole >= FEWEST_WHOLE },
    row(`ended later than asked (held up for ${stalledMs.toFixed(0)} ms at most)`, late.length),
    row('bodies that came otherwise than they were sent', wrong.length),
    row('POSTs without a key that were begun with twice', twice.length),
    row('calls, tries, re-sends, waits and busy connections left', held.length),
    row('timers and sockets left after close()', left.length + sockets),
    row('unhandled rejections, exceptions and warnings', complaints.length),
  ]
}

const OF_CALLS = /^(Timeout|TCP|Connect|TLS|HTTP|GetAddr|Shutdown|Write)/
const resources = () => process.getActiveResourcesInfo().filter((what) => OF_CALLS.test(what))

/** What is in `now` beyond `before`. */
function difference(now, before) {
  const rest = [...before]
  return now.filter((what) => {
    const at = rest.indexOf(what)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
}
