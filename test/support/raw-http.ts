import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'

/** What a server made of one request that was written byte by byte. */
export interface RawAnswer {
  /** 0: it closed the connection without an answer. */
  status: number
  /** Statuses of all answers, when it took the bytes for several requests. */
  statuses: number[]
  /** Everything it wrote, as Latin-1 text. */
  text: string
}

/**
 * Writes `bytes` to a fresh connection and reads until the server closes, or until it has answered and been silent for a moment.
 * Nothing is checked on the way out: whatever a stranger could send, this sends.
 */
export function sendRaw(port: number, bytes: string, { quietMs = 4, timeoutMs = 3_000 } = {}): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const end = (): void => {
      clearTimeout(timer)
      socket.destroy()
      const statuses = [...text.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)].map(([, status]) => Number(status))
      resolve({ status: statuses.find((status) => status >= 200) ?? 0, statuses, text })
    }
    let timer = setTimeout(end, timeoutMs)
    socket.setNoDelay(true)
    socket.on('connect', () => socket.write(bytes, 'latin1'))
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (!/^HTTP\/1\.[01] [2-5]\d\d/m.test(text)) return
      clearTimeout(timer)
      timer = setTimeout(end, quietMs)
    })
    socket.on('error', () => {})
    socket.on('close', end)
  })
}

/** Sends requests with any pseudo-headers over one HTTP/2 connection each; a server that resets the stream answers 0. */
export function sendHttp2(port: number, headers: Record<string, string | string[]>, timeoutMs = 3_000): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    let status = 0
    let text = ''
    const end = (): void => {
      clearTimeout(timer)
      session.destroy()
      resolve({ status, statuses: status === 0 ? [] : [status], text })
    }
    const timer = setTimeout(end, timeoutMs)
    session.on('error', end)
    try {
      const stream = session.request(headers, { endStream: true })
      stream.on('response', (head) => {
        status = Number(head[':status'])
      })
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => {
        text += chunk
      })
      stream.on('error', () => {})
      stream.on('close', end)
    } catch {
      // What Node's own client refuses to send, nobody can send with it.
      end()
    }
  })
}
