// A server whose requests `inbound.mjs` counts, bare or behind the guard, as the argument says; and what its process cost.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { createMesh } from '../dist/index.js'
import { Issuer } from '../test/soak/issuer.mjs'
import { inbound } from './inbound-options.mjs'

const BODY = JSON.stringify({ ok: true, pad: 'x'.repeat(108) })

/** Certificate, key and root of an identity, PEM. */
async function svid(issuer, id) {
  const directory = mkdtempSync(join(tmpdir(), 'inmesh-bench-'))
  await issuer.issue(directory, id)
  const [cert, key, ca] = ['cert', 'key', 'ca'].map((name) => readFileSync(join(directory, `${name}.pem`), 'utf8'))
  rmSync(directory, { recursive: true })
  return { cert, key, ca }
}

const issuer = await Issuer.create()
const own = await svid(issuer, 'spiffe://example.org/ns/shop/sa/orders')
const client = await svid(issuer, 'spiffe://example.org/ns/shop/sa/web')
const options = { service: 'orders', identity: { cert: own.cert, key: own.key }, trust: { 'example.org': { ca: own.ca } }, inbound }
/** Without context: that stands on AsyncLocalStorage, whose price is the platform's, and is told by `context.mjs`. */
const mesh = createMesh({ ...options, context: false })
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

const bareTls = { cert: own.cert, key: own.key, ca: own.ca, requestCert: true, rejectUnauthorized: true }
const SERVERS = {
  'node:http bare': () => createServer(answer),
  'node:http guarded': () => createServer(mesh.handler(answer)),
  'node:http bare again': () => createServer((request, response) => answer(request, response)),
  'mutual TLS bare': () => createSecureServer(bareTls, answer),
  'mutual TLS guarded': () => createSecureServer(mesh.tls(), mesh.handler(answer)),
  'Express bare': () => createServer(withExpress()),
  'Express guarded': () => createServer(withExpress(mesh.express())),
}

const server = SERVERS[process.argv[2]]()
// Connections are as old as the run, so that a request pays for none.
server.keepAliveTimeout = 0
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

process.on('disconnect', () => process.exit())
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ cpu: user + system, user })
})
process.send({ port: server.address().port, client })
