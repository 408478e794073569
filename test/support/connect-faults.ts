import { spawn } from 'node:child_process'
import { connect, createServer, type Socket } from 'node:net'

/** An address on loopback that does something wrong before any request could be read. */
export interface ConnectFault {
  readonly address: string
  readonly port: number
  /** Connections it accepted. */
  readonly connections: () => number
  close(): Promise<void>
}

/** What to do with an accepted connection: `silent` also serves as a TLS handshake that hangs. */
export type Accepting = 'rst' | 'fin' | 'silent'

const ACCEPTING: Record<Accepting, (socket: Socket) => void> = {
  rst: (socket) => void socket.resetAndDestroy(),
  fin: (socket) => void socket.end(),
  silent: (socket) => void socket.resume(),
}

/** Accepts every connection, then resets it, ends it, or says nothing ever. */
export async function accepting(how: Accepting): Promise<ConnectFault> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    ACCEPTING[how](socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return fault(
    port,
    () => connections,
    () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  )
}

/** A port that was free a moment ago, and on which nobody listens. */
export async function refusing(): Promise<ConnectFault> {
  const server = await accepting('rst')
  await server.close()
  return fault(
    server.port,
    () => 0,
    async () => {},
  )
}

const STOPPED_LISTENER = `
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.stdout.write(String(server.address().port)))
  process.stdin.on('end', () => process.exit()).resume()
`
const FILLERS = 16
/** A connect on loopback that takes longer than this is not going to be answered. */
const UNANSWERED_MS = 250

/**
 * An address whose SYNs are dropped: a stopped process with a full accept queue. Proved before it is returned, by a
 * connect that hangs; throws where the system answers all the same.
 */
export async function blackHole(): Promise<ConnectFault> {
  const child = spawn(process.execPath, ['-e', STOPPED_LISTENER], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const fillers: Socket[] = []
  const close = async (): Promise<void> => {
    for (const filler of fillers) filler.destroy()
    child.kill('SIGKILL')
    await gone
  }
  const port = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))))
  child.kill('SIGSTOP')
  for (let opened = 0; opened < FILLERS; opened++) fillers.push(connect(port, '127.0.0.1').on('error', () => {}))
  await new Promise((resolve) => setTimeout(resolve, 100))
  if (await connects(port, UNANSWERED_MS)) {
    await close()
    throw new Error('this system answers connects although the accept queue is full')
  }
  return fault(port, () => 0, close)
}

/** Whether a connect is answered within `withinMs`. */
export function connects(port: number, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (answered: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answered)
    }
    const timer = setTimeout(() => end(false), withinMs)
    socket.once('connect', () => end(true))
    socket.on('error', () => end(true))
  })
}

function fault(port: number, connections: () => number, close: () => Promise<void>): ConnectFault {
  return { address: `127.0.0.1:${port}`, port, connections, close }
}
