// The servers whose requests `inbound.mjs` counts: each framework bare, behind the guard, and bare once more; and what the process cost.
import { createServer } from 'node:http'
import express from 'express'
import { createMesh } from '../dist/index.js'

const BODY = JSON.stringify({ ok: true, pad: 'x'.repeat(108) })

/** A gate for every question that the inbound side asks: three that remember nothing, and one that hears how each call ended. */
const free = { settle() {} }
const gates = [
  { name: 'authentication', admit: (call) => (call.header('authorization') === undefined ? free : free) },
  {
    name: 'authorization',
    admit: (call) => (call.pathname.startsWith('/admin') || call.loosePathname?.startsWith('/admin') ? undefined : free),
  },
  { name: 'limit', admit: (call) => (call.remoteAddress === '' ? undefined : free) },
  {
    name: 'inflight',
    inflight: 0,
    admit() {
      this.inflight++
      return this
    },
    settle() {
      this.inflight--
    },
  },
]

const mesh = createMesh({ service: 'bench', inbound: { gates } })
const answer = (_request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(BODY)
}

function withExpress(...middleware) {
  const app = express()
  for (const each of middleware) app.use(each)
  app.get('/orders/:id', answer)
  return app
}

const LISTENERS = {
  'node:http bare': answer,
  'node:http guarded': mesh.handler(answer),
  'node:http bare again': (request, response) => answer(request, response),
  'Express bare': withExpress(),
  'Express guarded': withExpress(mesh.express()),
}

const ports = {}
for (const [name, listener] of Object.entries(LISTENERS)) {
  const server = createServer(listener)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  ports[name] = server.address().port
}

process.on('disconnect', () => process.exit())
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ cpuMicros: user + system })
})
process.send({ ports })
