import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { createMesh, type Mesh } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'

const { keep, listen } = lifetimes()

/** A guarded server whose answers are given by hand, and a connection to it. */
async function line(): Promise<{
  mesh: Mesh
  socket: Socket
  ask: (...paths: string[]) => void
  open: Map<string, ServerResponse>
  text: () => string
}> {
  const mesh = createMesh()
  const open = new Map<string, ServerResponse>()
  const server = createServer(
    mesh.handler((request: IncomingMessage, response: ServerResponse) => void open.set(request.url ?? '', response)),
  )
  const socket = connect(await listen(server), '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  keep(() => socket.destroy())
  keep(() => mesh.close({ timeout: 0 }))
  const ask = (...paths: string[]): void => void socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: web\r\n\r\n`).join(''))
  return { mesh, socket, ask, open, text: () => text }
}

/** What each answer says of its connection, in order. */
function connections(text: string): (string | undefined)[] {
  return text
    .split('HTTP/1.1 200')
    .slice(1)
    .map((answer) => /connection: (\S+)/i.exec(answer)?.[1])
}

describe('pipelined requests', () => {
  it('of a client that leaves are all over, those too whose turn had not come', async () => {
    const { mesh, socket, ask, open } = await line()
    ask('/1', '/2', '/3')
    await vi.waitFor(() => expect(open.size).toBe(3))
    open.get('/3')?.end('waits for the others')
    expect(mesh.stats().inbound.inflight).toBe(3)
    socket.destroy()
    await vi.waitFor(() => expect(mesh.stats().inbound.inflight).toBe(0))
  })

  it('are all answered by a process that leaves: the last answer says that it is the last', async () => {
    const { mesh, ask, open, text } = await line()
    ask('/1', '/2')
    await vi.waitFor(() => expect(open.size).toBe(2))
    const closed = mesh.close()
    await vi.waitFor(() => expect(open.get('/2')?.getHeader('connection')).toBe('close'))
    ask('/3')
    await vi.waitFor(() => expect(open.size).toBe(3))
    for (const path of ['/3', '/1', '/2']) open.get(path)?.end(path)
    await closed
    expect(connections(text())).toEqual(['keep-alive', 'keep-alive', 'close'])
  })

  it('are not begun behind an answer that said it was the last', async () => {
    const { mesh, ask, open, text } = await line()
    ask('/1')
    await vi.waitFor(() => expect(open.size).toBe(1))
    const closed = mesh.close()
    await vi.waitFor(() => expect(open.get('/1')?.getHeader('connection')).toBe('close'))
    open.get('/1')?.write('half')
    await vi.waitFor(() => expect(text()).toContain('half'))
    ask('/2')
    await vi.waitFor(() => expect(mesh.stats().inbound.requests).toBe(2))
    open.get('/1')?.end()
    await closed
    expect([[...open.keys()], connections(text())]).toEqual([['/1'], ['close']])
  })
})
