import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'

/** The first byte of a TLS handshake (RFC 8446 §5.1); no method of HTTP begins with it. */
const HANDSHAKE = 0x16
/** As long as Node waits for the head of a request. */
const SILENCE_MS = 60_000

/**
 * Makes an HTTPS server take clear text on the same port: what begins as a TLS handshake goes its way, anything else goes to the
 * server's own HTTP parser. For the time in which some clients have certificates already and others do not.
 */
export function takeClearText(server: Server, clock: Clock): Server {
  const [overTls] = server.listeners('connection') as ((socket: Socket) => void)[]
  const [asHttp] = server.listeners('secureConnection').slice(-1) as ((socket: Socket) => void)[]
  if (overTls === undefined || asHttp === undefined) return server
  server.removeListener('connection', overTls)
  server.prependListener('connection', (socket: Socket) => {
    const failed = (): void => void socket.destroy()
    const timer = clock.setTimer(failed, SILENCE_MS)
    timer.unref()
    const settle = (): void => {
      timer.cancel()
      socket.removeListener('error', failed)
      socket.removeListener('close', settle)
    }
    socket.once('error', failed)
    socket.once('close', settle)
    socket.once('data', (first: Buffer) => {
      settle()
      // Nothing may flow until whoever takes it listens.
      socket.pause()
      socket.unshift(first)
      if (first[0] === HANDSHAKE) overTls.call(server, socket)
      else {
        asHttp.call(server, socket)
        socket.resume()
      }
    })
  })
  return server
}
