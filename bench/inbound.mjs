// npm run bench:inbound [-- --quick]
//
// What the guard adds to a server, in µs of its CPU per request. Each server runs in a process of its own, so that none is slower for what
// the others taught the compiler, and the client in another; they are pinned to different cores where `taskset` exists, and the servers
// take turns in random order within each round. The client never sleeps: to wake it is work that the kernel does in the server's name, the
// more often the slower a server is.
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { price } from './inbound-price.mjs'
import { interval, median, shuffled } from './statistics.mjs'

const quick = process.argv.includes('--quick')
const rounds = quick ? 5 : 21
const requests = quick ? 2_000 : 10_000
const connections = 16

const REQUEST = [
  'GET /orders/42?expand=lines HTTP/1.1',
  'Host: orders.shop.svc.cluster.local:8080',
  'User-Agent: bench/1.0 (linux; x64)',
  'Accept: application/json, text/plain;q=0.9',
  'Accept-Encoding: gzip, br',
  'Accept-Language: en, de;q=0.7',
  'Cache-Control: no-cache',
  'Cookie: session=8f2c1e7a9b; theme=dark',
  'X-Request-Id: 4b0b4d0e-6d0c-4a53-9d3e-0d4f4f6a8c11',
  'Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  'X-Forwarded-For: 203.0.113.9',
  'Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ3ZWIifQ.c2ln',
  '',
  '',
].join('\r\n')

/** A connection to server `name`, which sends one request after the other as long as `more()` says so. */
async function connection({ port, client }, secure) {
  const socket = secure ? connectSecure({ ...client, port, host: '127.0.0.1', checkServerIdentity: () => {} }) : connect(port, '127.0.0.1')
  await once(socket, secure ? 'secureConnect' : 'connect')
  socket.setEncoding('latin1')
  return (more) =>
    new Promise((resolve, reject) => {
      let read = ''
      const next = () => {
        if (more()) return socket.write(REQUEST)
        socket.removeAllListeners('data')
        socket.removeListener('error', reject)
        resolve()
      }
      socket.on('data', (text) => {
        read += text
        const head = read.indexOf('\r\n\r\n')
        if (head < 0) return
        const length = Number(/content-length: (\d+)/i.exec(read)?.[1] ?? /\r\n([0-9a-f]+)\r\n/i.exec(read.slice(head))?.[1] ?? 0)
        if (read.length < head + 4 + length) return
        if (!read.startsWith('HTTP/1.1 200')) reject(new Error(read.slice(0, 200)))
        read = ''
        next()
      })
      socket.on('error', reject)
      next()
    })
}

/** Sends `count` requests to server `name` over all of its connections. */
async function load(name, count) {
  let left = count
  await Promise.all(servers[name].open.map((send) => send(() => left-- > 0)))
}

const SERVER = fileURLToPath(new URL('./inbound-server.mjs', import.meta.url))
const NAMES = [
  'node:http bare',
  'node:http guarded',
  'node:http bare again',
  'mutual TLS bare',
  'mutual TLS guarded',
  'Express bare',
  'Express guarded',
]
const servers = {}
for (const name of NAMES) {
  const child = fork(SERVER, [name])
  const [{ port, client }] = await once(child, 'message')
  spawnSync('taskset', ['-cp', '1', String(child.pid)])
  const open = await Promise.all(Array.from({ length: connections }, () => connection({ port, client }, name.startsWith('mutual TLS'))))
  servers[name] = { child, open }
}
spawnSync('taskset', ['-cp', '0', String(process.pid)])

let measuring = true
const stayAwake = () => {
  if (measuring) setImmediate(stayAwake)
}
stayAwake()

async function cpu({ child }) {
  child.send('cpu')
  const [micros] = await once(child, 'message')
  return micros
}

async function measure(name) {
  const before = await cpu(servers[name])
  await load(name, requests)
  const after = await cpu(servers[name])
  return { cpu: (after.cpu - before.cpu) / requests, user: (after.user - before.user) / requests }
}

const samples = Object.fromEntries(NAMES.map((name) => [name, []]))
for (const name of NAMES) await load(name, 2 * requests)
for (let round = 0; round < rounds; round++) for (const name of shuffled(NAMES)) samples[name].push(await measure(name))
measuring = false
for (const { child } of Object.values(servers)) child.disconnect()

const fixed = (number) => number.toFixed(2)
console.log(
  `${process.version}, ${rounds} rounds of ${requests} requests over ${connections} connections, 12 headers; ten policies, a rate limit, shedding`,
)
for (const name of NAMES)
  console.log(`  ${name.padEnd(28)} ${fixed(median(samples[name].map(({ cpu }) => cpu))).padStart(7)} µs CPU per request`)
for (const [name, base] of [
  ['node:http bare again', 'node:http bare'],
  ['node:http guarded', 'node:http bare'],
  ['mutual TLS guarded', 'mutual TLS bare'],
  ['Express guarded', 'Express bare'],
]) {
  const added = (what) => samples[name].map((sample, round) => sample[what] - samples[base][round][what])
  const [low, high] = interval(added('cpu'))
  const own = `of it outside the kernel ${fixed(median(added('user')))}`
  console.log(`  ${name} : ${base}  ${fixed(median(added('cpu')))} µs [${fixed(low)}, ${fixed(high)}], ${own}`)
}
const lines = REQUEST.split('\r\n').slice(1, -2)
const headers = lines.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])
console.log(`  the guard alone, in process: ${fixed(await price('/orders/42?expand=lines', headers))} µs`)
