// A service that computes for some milliseconds per request, in a process of its own: `node overload-server.mjs <work ms> <door>`. It
// sends its port over IPC, answers each message with the CPU that it used, and ends when whoever started it does.
import { createServer } from 'node:http'
import process from 'node:process'
import { createMesh } from 'inmesh'
import { Shedder } from 'inmesh/resilience'

const workMs = Number(process.argv[2])
const SETTINGS = { maxLoopDelayMs: 100, exemptPaths: ['/healthz'], retryAfterMs: 1_000, closeConnections: false }

const clock = {
  now: () => performance.now(),
  afterPoll: (fire) => setImmediate(fire),
  idleTime: () => performance.eventLoopUtilization().idle,
}
const shedder = new Shedder(SETTINGS, clock, Math.random)

function spin(rounds) {
  let value = 1
  for (let round = 0; round < rounds; round++) value = (Math.imul(value, 1_664_525) + 1_013_904_223) | 0
  return value
}

/** Rounds of a millisecond of this processor: work is counted in what it costs, as refusing is, however many others run here. */
function roundsPerMs() {
  spin(1e6)
  const before = process.cpuUsage()
  spin(1e8)
  const { user, system } = process.cpuUsage(before)
  return (1e8 * 1_000) / (user + system)
}

const rounds = Math.round(workMs * roundsPerMs())

function work(_, response) {
  // What it comes to is sent, so that nobody finds out that it could be left away.
  response.end(`{"order":${spin(rounds)}}`)
}

/** The same after something was waited for, so that nothing of it is seen when the request is let in. */
function workLater(request, response) {
  setImmediate(() => setImmediate(work, request, response))
}

const answers = new Map()

/** What a refusal is answered with, made once for each. */
function answerOf({ code, reason, retryAfterMs }) {
  const body = Buffer.from(JSON.stringify({ type: 'about:blank', title: 'Service Unavailable', status: 503, detail: reason, code }))
  const retryAfter = String(Math.ceil(retryAfterMs / 1_000))
  return { body, head: ['content-type', 'application/problem+json', 'content-length', String(body.length), 'retry-after', retryAfter] }
}

/** How requests come to the work: `open` without a guard, `shed` behind a Shedder alone, `mesh` behind everything that is inbound. */
const DOORS = {
  open: () => work,
  'open-later': () => workLater,
  shed: () => behind(work),
  'shed-later': () => behind(workLater),
  mesh: () => createMesh({ inbound: { shedding: true, trustedProxies: ['127.0.0.1'] } }).handler(work),
}

function behind(listener) {
  return (request, response) => {
    const verdict = shedder.admitRaw(request.url, request.rawHeaders, true)
    if (verdict.refused !== true) {
      response.on('close', () => verdict.settle())
      listener(request, response)
      return
    }
    const answer = answers.get(verdict) ?? answerOf(verdict)
    answers.set(verdict, answer)
    response.writeHead(503, answer.head)
    response.end(answer.body)
  }
}

const server = createServer({ keepAliveTimeout: 60_000 }, DOORS[process.argv[3]]())
server.listen(0, '127.0.0.1', 1_024, () => process.send({ listening: server.address().port }))
process.on('message', () => process.send(process.cpuUsage()))
process.on('disconnect', () => process.exit())
