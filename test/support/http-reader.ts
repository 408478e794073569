import type { Socket } from 'node:net'

/** Head of a request, as a server by hand reads it. */
export interface RequestHead {
  method: string
  path: string
  headers: Record<string, string>
}

/** Name and value of each header line as they stood on the wire: case kept, duplicates apart. */
export type HeaderLines = [name: string, value: string][]

type Body = (onChunk: (chunk: Buffer) => void) => Promise<void>

/**
 * Reads requests from `socket` one after the other. `onRequest` is called when a head is complete, with a function that reads the
 * body and with the header lines; the next head is looked for when the body ended.
 */
export function readRequests(socket: Socket, onRequest: (head: RequestHead, body: Body, lines: HeaderLines) => void): void {
  let buffered = Buffer.alloc(0)
  let consume: ((chunk: Buffer) => Buffer) | undefined
  const feed = (): void => {
    while (buffered.length > 0) {
      if (consume !== undefined) {
        buffered = consume(buffered) as Buffer<ArrayBuffer>
        if (consume !== undefined) return
        continue
      }
      const end = buffered.indexOf('\r\n\r\n')
      if (end < 0) return
      const { head, lines } = parseHead(buffered.subarray(0, end).toString('latin1'))
      buffered = buffered.subarray(end + 4)
      let onChunk: (chunk: Buffer) => void = () => {}
      let done: () => void = () => {}
      const ended = new Promise<void>((resolve) => {
        done = resolve
      })
      consume = bodyConsumer(
        head.headers,
        (chunk) => onChunk(chunk),
        () => {
          consume = undefined
          done()
        },
      )
      const early: Buffer[] = []
      onChunk = (chunk) => early.push(chunk)
      const read: Body = (listener) => {
        onChunk = listener
        for (const chunk of early) listener(chunk)
        return ended
      }
      onRequest(head, read, lines)
      if (head.headers['upgrade'] !== undefined || head.method === 'CONNECT') {
        // There is no body to wait for: what follows belongs to the other protocol.
        done()
        consume = (rest) => rest
        socket.off('data', onData)
        if (buffered.length > 0) socket.unshift(buffered)
        return
      }
    }
    if (consume !== undefined) consume(Buffer.alloc(0))
  }
  const onData = (chunk: Buffer): void => {
    buffered = Buffer.concat([buffered, chunk])
    feed()
  }
  socket.on('data', onData)
}

function parseHead(text: string): { head: RequestHead; lines: HeaderLines } {
  const [first = '', ...rest] = text.split('\r\n')
  const [method = '', path = ''] = first.split(' ')
  const lines: HeaderLines = rest.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const headers = Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value]))
  return { head: { method, path, headers }, lines }
}

/** Takes body bytes and gives back what belongs to the next request. */
function bodyConsumer(headers: Record<string, string>, onChunk: (chunk: Buffer) => void, onEnd: () => void): (chunk: Buffer) => Buffer {
  if (headers['transfer-encoding'] === 'chunked') return chunkedConsumer(onChunk, onEnd)
  let left = Number(headers['content-length'] ?? 0)
  return (chunk) => {
    const mine = chunk.subarray(0, left)
    left -= mine.length
    if (mine.length > 0) onChunk(mine)
    if (left === 0) onEnd()
    return chunk.subarray(mine.length)
  }
}

function chunkedConsumer(onChunk: (chunk: Buffer) => void, onEnd: () => void): (chunk: Buffer) => Buffer {
  let pending = Buffer.alloc(0)
  let left = -1
  return (chunk) => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      if (left > 0) {
        const mine = pending.subarray(0, left)
        if (mine.length === 0) return Buffer.alloc(0)
        onChunk(mine)
        left -= mine.length
        pending = pending.subarray(mine.length)
        if (left > 0) return Buffer.alloc(0)
      }
      if (left === 0) {
        if (pending.length < 2) return Buffer.alloc(0)
        pending = pending.subarray(2)
        left = -1
      }
      const line = pending.indexOf('\r\n')
      if (line < 0) return Buffer.alloc(0)
      const size = Number.parseInt(pending.subarray(0, line).toString('latin1'), 16)
      if (size === 0) {
        const rest = pending.subarray(line + 4)
        onEnd()
        return rest
      }
      pending = pending.subarray(line + 2)
      left = size
    }
  }
}
