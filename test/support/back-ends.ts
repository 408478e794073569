import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import express4 from 'express4'
import fastify, { type FastifyServerOptions } from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import type { Mesh } from '../../src/index.ts'

/** A server behind a mesh's guard, with the routes `/admin`, `/admin/*`, `/public`, `/public/*`; what it answers says which one it took. */
export interface BackEnd {
  readonly port: number
  readonly server: Server
  close(): Promise<void>
}

/** How each framework is put behind a guard, as its users would do it. */
export const BACK_ENDS: Readonly<Record<string, (mesh: Mesh) => Promise<BackEnd>>> = {
  'node:http': (mesh) => listen(createServer(mesh.handler((request, response) => response.end(routeOf(request.url ?? ''))))),
  http2: (mesh) =>
    listen(
      createHttp2Server(
        mesh.handler((request: Http2ServerRequest, response: Http2ServerResponse) => void response.end(routeOf(request.url))),
      ),
    ),
  'Express 4': (mesh) => listen(createServer(ofExpress(express4, mesh))),
  'Express 5': (mesh) => listen(createServer(ofExpress(express, mesh))),
  Fastify: (mesh) => ofFastify(mesh, {}),
  'Fastify, lax': (mesh) =>
    ofFastify(mesh, {
      routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
      useSemicolonDelimiter: true,
    }),
  Koa: (mesh) => {
    const app = new Koa()
    app.use((context) => {
      context.body = routeOf(context.path.toLowerCase())
    })
    return listen(createServer(mesh.handler(app.callback())))
  },
  Hono: (mesh) => {
    const app = new Hono()
    for (const path of ['/admin', '/admin/*', '/public', '/public/*']) app.get(path, (context) => context.text(routeOf(path)))
    app.notFound((context) => context.text('none'))
    return listen(createServer(mesh.handler(getRequestListener(app.fetch))))
  },
}

/** Which of the two areas a path is in, for servers without a router. */
function routeOf(path: string): string {
  return /^\/(admin|public)(?:[/?;].*)?$/.exec(path)?.[1] ?? 'none'
}

function ofExpress(make: typeof express, mesh: Mesh): RequestListener {
  const app = make()
  app.use(mesh.express())
  app.use('/admin', (_, response) => void response.send('admin'))
  app.use('/public', (_, response) => void response.send('public'))
  app.use((_, response) => void response.send('none'))
  return app
}

async function ofFastify(mesh: Mesh, options: FastifyServerOptions): Promise<BackEnd> {
  const app = fastify(options)
  await app.register(mesh.fastify())
  for (const path of ['/admin', '/admin/*', '/public', '/public/*']) app.get(path, async () => routeOf(path))
  app.setNotFoundHandler((_, reply) => void reply.code(200).send('none'))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: (app.server.address() as AddressInfo).port, server: app.server, close: () => app.close() }
}

async function listen(server: unknown): Promise<BackEnd> {
  const each = server as Server
  await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      each.close(() => resolve())
      each.closeAllConnections?.()
    })
  return { port: (each.address() as AddressInfo).port, server: each, close }
}
