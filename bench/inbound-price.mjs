// What the guard itself costs, without sockets: the same request told to a server bare and behind the guard, in turns.
import { createServer, IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { createMesh } from '../dist/index.js'
import { inbound } from './inbound-options.mjs'
import { median } from './statistics.mjs'

const CALLS = 20_000
const ROUNDS = 15

/** @param headers names and values in turn */
export async function price(target, headers) {
  const mesh = createMesh({ service: 'orders', inbound, context: false })
  let answered = 0
  const listener = (_, response) => {
    answered++
    response.finished = true
  }
  const bare = createServer(listener)
  const guarded = mesh.protect(createServer(listener))
  const socket = new Socket()
  const run = (server) => {
    const before = process.cpuUsage()
    for (let call = 0; call < CALLS; call++) {
      const request = new IncomingMessage(socket)
      Object.assign(request, { method: 'GET', url: target, httpVersionMajor: 1, httpVersionMinor: 1 })
      request._addHeaderLines(headers.slice(), headers.length)
      // Node reads them before it tells of a request.
      void request.headers.host
      const response = new ServerResponse(request)
      Object.defineProperty(response, 'writableFinished', { value: true })
      server.emit('request', request, response)
      response.emit('close')
    }
    const { user, system } = process.cpuUsage(before)
    return (user + system) / CALLS
  }
  for (let round = 0; round < 5; round++) for (const server of [bare, guarded]) run(server)
  const added = []
  for (let round = 0; round < ROUNDS; round++) {
    const without = run(bare)
    added.push(run(guarded) - without)
  }
  await mesh.close({ timeout: 0 })
  if (answered !== 2 * (ROUNDS + 5) * CALLS) throw new Error(`${answered} requests were let in`)
  return median(added)
}
