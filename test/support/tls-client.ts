import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'

/** What one request over TLS came to. */
export interface TlsAnswer {
  /** Everything that came back, as text; empty when nothing did. */
  text: string
  /** Code or message of what broke the connection. */
  error: string | undefined
  /** The certificate that the server showed, PEM. */
  server: string | undefined
  reused: boolean
}

/**
 * Connects, sends `request`, and reads until the end.
 * @param session hears of each session that could be resumed
 * @param again what is sent on the same connection a while later
 */
export function tlsRequest(
  port: number,
  options: ConnectionOptions,
  request = REQUEST,
  session: (ticket: Buffer) => void = () => {},
  again?: { after: number; request: string },
): Promise<TlsAnswer> {
  return new Promise((resolve) => {
    const answer: TlsAnswer = { text: '', error: undefined, server: undefined, reused: false }
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, ...options }, () => {
      const shown = socket.getPeerX509Certificate()
      answer.server = shown?.toString()
      answer.reused = socket.isSessionReused()
      socket.write(request)
      if (again !== undefined) setTimeout(() => socket.write(again.request), again.after)
    })
    socket.on('session', session)
    socket.on('data', (chunk: Buffer) => {
      answer.text += chunk.toString('latin1')
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      answer.error = error.code ?? error.message
    })
    socket.on('close', () => resolve(answer))
    socket.setTimeout(5_000, () => socket.destroy(new Error('silent')))
  })
}

const REQUEST = 'GET /hello HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\r\n'
