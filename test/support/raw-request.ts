import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'

/** An answer, as far as tests look at it. */
export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** Sends exactly these bytes (each character is one) and reads one answer, or what came before the connection closed. */
export function sendRaw(port: number, text: string, { timeoutMs = 5_000 } = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let read = ''
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer to ${JSON.stringify(text)}, but ${JSON.stringify(read)}`)),
      timeoutMs,
    )
    const end = (): void => {
      clearTimeout(timer)
      const answer = parse(read)
      if (answer === undefined) reject(new Error(`no answer to ${JSON.stringify(text)}, but ${JSON.stringify(read)}`))
      else resolve(answer)
    }
    socket.on('data', (chunk) => {
      read += chunk.toString('latin1')
      if (isWhole(read, text.startsWith('HEAD '))) socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', end)
    socket.write(text, 'latin1')
  })
}

/** A GET of a raw target. */
export function get(port: number, target: string, headers: readonly string[] = ['Host: web']): Promise<RawAnswer> {
  return sendRaw(port, `GET ${target} HTTP/1.1\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`)
}

/** The same over HTTP/2, in clear. */
export function getHttp2(port: number, path: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', reject)
    const stream = session.request({ ':path': path, ':authority': 'web', ...headers })
    const answer: RawAnswer = { status: 0, headers: {}, body: '' }
    stream.setEncoding('utf8')
    stream.on('response', ({ ':status': status, ...rest }) => {
      answer.status = status ?? 0
      for (const [name, value] of Object.entries(rest)) answer.headers[name] = String(value)
    })
    stream.on('data', (chunk: string) => {
      answer.body += chunk
    })
    stream.on('error', reject)
    stream.on('close', () => {
      session.close()
      resolve(answer)
    })
    stream.end()
  })
}

function parse(read: string): RawAnswer | undefined {
  const found = /^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)*HTTP\/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n([\s\S]*)$/.exec(
    read,
  )
  if (found === null) return undefined
  const headers: Record<string, string> = {}
  for (const line of (found[2] as string).split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const body = found[3] as string
  return { status: Number(found[1]), headers, body: headers['transfer-encoding'] === undefined ? body : unchunk(body) }
}

function unchunk(body: string): string {
  let whole = ''
  for (let rest = body; ; ) {
    const found = /^([0-9a-f]+)\r\n/i.exec(rest)
    const size = Number.parseInt(found?.[1] ?? '0', 16)
    if (found === null || size === 0) return whole
    whole += rest.slice(found[0].length, found[0].length + size)
    rest = rest.slice(found[0].length + size + 2)
  }
}

function isWhole(read: string, head: boolean): boolean {
  const answer = parse(read)
  if (answer === undefined) return false
  if (head || answer.status === 204 || answer.status === 304) return true
  if (answer.headers['transfer-encoding'] !== undefined) return /0\r\n\r\n$/.test(read)
  return answer.headers['content-length'] !== undefined && answer.body.length >= Number(answer.headers['content-length'])
}
