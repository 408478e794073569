import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttp2Server, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import type { Mesh } from '../../../src/index.ts'

/** A server with something behind `/admin` that nobody may reach, and something below `/public` for everybody. */
export interface BackEnd {
  readonly port: number
  /** How often what is behind `/admin` was reached. */
  canary: number
  close(): Promise<void>
}

const ADMIN = /^\/admin(?:[/;]|$)/

/** As routing is often written by hand: by the raw text, by the platform's URL, and by that with its escapes undone. */
function readsAdmin(target = '/'): boolean {
  if (ADMIN.test(target.replace(/[?#].*$/, ''))) return true
  try {
    const { pathname } = new URL(target, 'http://web')
    return ADMIN.test(pathname) || ADMIN.test(decodeURIComponent(pathname))
  } catch {
    return false
  }
}

type Start = (mesh: Mesh | undefined, hit: () => void) => Promise<{ server: Server | Http2Server; end?: () => Promise<void> }>

const guarded = (mesh: Mesh | undefined, listener: RequestListener): RequestListener =>
  mesh === undefined ? listener : (mesh.handler(listener) as RequestListener)

/** The eight servers; each routes as its users write it. */
export const BACK_ENDS: Readonly<Record<string, Start>> = {
  'node:http': async (mesh, hit) => {
    const server = createServer(
      guarded(mesh, (request, response) => {
        if (readsAdmin(request.url)) hit()
        response.end('ok')
      }),
    )
    return { server }
  },
  http2: async (mesh, hit) => {
    const listener = (request: { url?: string }, response: { end(text: string): unknown }): void => {
      if (readsAdmin(request.url)) hit()
      response.end('ok')
    }
    return { server: createHttp2Server((mesh === undefined ? listener : mesh.handler(listener as never)) as never) }
  },
  'Express 4': (mesh, hit) => expressServer(express4() as unknown as ReturnType<typeof express>, mesh, hit),
  'Express 5': (mesh, hit) => expressServer(express(), mesh, hit),
  Fastify: (mesh, hit) => fastifyServer(mesh, hit, {}),
  'Fastify, lax': (mesh, hit) =>
    fastifyServer(mesh, hit, {
      routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, useSemicolonDelimiter: true },
    }),
  Koa: async (mesh, hit) => {
    const app = new Koa()
    app.silent = true
    app.use((context) => {
      if (ADMIN.test(context.path.toLowerCase())) hit()
      context.body = 'ok'
    })
    return { server: createServer(guarded(mesh, app.callback())) }
  },
  Hono: async (mesh, hit) => {
    const app = new Hono()
    app.all('/admin', (context) => {
      hit()
      return context.text('canary')
    })
    app.all('/admin/*', (context) => {
      hit()
      return context.text('canary')
    })
    app.all('*', (context) => context.text('ok'))
    return { server: createServer(guarded(mesh, getRequestListener(app.fetch) as unknown as RequestListener)) }
  },
}

async function expressServer(app: ReturnType<typeof express>, mesh: Mesh | undefined, hit: () => void): ReturnType<Start> {
  if (mesh !== undefined) app.use(mesh.express() as never)
  app.use('/admin', (_, response) => {
    hit()
    response.end('canary')
  })
  app.use((_, response) => void response.end('ok'))
  return { server: createServer(app) }
}

async function fastifyServer(mesh: Mesh | undefined, hit: () => void, options: object): ReturnType<Start> {
  const app = fastify(options)
  if (mesh !== undefined) await app.register(mesh.fastify() as never)
  app.all('/admin', async () => {
    hit()
    return 'canary'
  })
  app.all('/admin/*', async () => {
    hit()
    return 'canary'
  })
  app.all('/*', async () => 'ok')
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { server: app.server as Server, end: () => app.close() }
}

/** Starts one of {@link BACK_ENDS} on a free port. */
export async function startBackEnd(name: string, mesh?: Mesh): Promise<BackEnd> {
  const backEnd = { port: 0, canary: 0, close: async () => {} }
  const { server, end } = await (BACK_ENDS[name] as Start)(mesh, () => {
    backEnd.canary++
  })
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  backEnd.port = (server.address() as AddressInfo).port
  backEnd.close = async () => {
    ;(server as Server).closeAllConnections?.()
    await (end?.() ?? new Promise<void>((resolve) => server.close(() => resolve())))
  }
  return backEnd
}
