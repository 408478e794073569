// The servers whose requests `inbound.mjs` counts: each framework bare, behind the guard, and bare once more; and what the process cost.
import { createServer } from 'node:http'
import express from 'express'
import { createMesh } from '../dist/index.js'
import { gates } from './inbound-gates.mjs'

const BODY = JSON.stringify({ ok: true, pad: 'x'.repeat(108) })

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
