// The guard before servers and frameworks, without a cast.
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import express4, { type RequestHandler } from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { createMesh, type Principal, type WithMesh } from 'inmesh'
import Koa from 'koa'
import { holds, type Same } from './expect.ts'

const mesh = createMesh({ inbound: { tls: { mode: 'strict' } } })
const listener = (_request: IncomingMessage, response: ServerResponse): void => void response.end()

mesh.protect(http.createServer(mesh.handler(listener))).listen(0)
mesh.protect(https.createServer(mesh.tls(), mesh.handler(listener)))
mesh.protect(
  http2.createServer(mesh.handler((_request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void response.end())),
)
mesh.protect(
  http2.createSecureServer(
    mesh.tls(),
    mesh.handler((request, response) => void response.end(request.url)),
  ),
)
mesh.server(mesh.handler(listener), { mode: 'permissive' })

const app = express4()
const middleware: RequestHandler = mesh.express()
app.use(middleware)
app.use(mesh.express())
app.use('/api', mesh.express())
app.get('/', (request, response) => {
  const { principal } = (request as WithMesh<typeof request>).mesh
  holds<Same<typeof principal, Principal | undefined>>()
  response.send(principal?.id)
})
http.createServer(mesh.handler(app))
https.createServer(mesh.tls(), mesh.handler(app))
mesh.protect(app.listen(0))
app.get('/livez', mesh.livenessHandler())
app.get('/readyz', mesh.readinessHandler())

const plain = fastify()
await plain.register(mesh.fastify())
plain.register(mesh.fastify())
const overHttps = fastify({ https: mesh.tls() })
await overHttps.register(mesh.fastify())
const overHttp2 = fastify({ http2: true, https: mesh.tls() })
await overHttp2.register(mesh.fastify())
const own = fastify({ serverFactory: (handler) => mesh.server(handler) })
await own.register(mesh.fastify())
plain.get('/', async (request) => (request as WithMesh<typeof request>).mesh.principal?.id)

const koa = new Koa()
http.createServer(mesh.handler(koa.callback()))
https.createServer(mesh.tls(), mesh.handler(koa.callback()))

new Hono().get('/', (context) => context.text('ok'))
