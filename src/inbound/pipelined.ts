import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Under this key a connection knows the answers that wait for those before them. */
const WAITING = Symbol('inmesh.pipelined')

/**
 * Requests that came over one connection before the answers to earlier ones were out (RFC 9112 §9.3.2). Node gives each its socket when its
 * turn comes, and tells it of nothing until then: were the client to leave before that, nobody would hear that such a request is over.
 * @param gone called on `response` when its connection ends, whether or not it had its turn
 */
export function whenLineEnds(response: ServerResponse, gone: (this: ServerResponse) => void): void {
  const line = response.req.socket as Duplex & { [WAITING]?: Set<ServerResponse> }
  if (typeof line?.once !== 'function') return
  let waiting = line[WAITING]
  if (waiting === undefined) {
    const made = new Set<ServerResponse>()
    waiting = made
    line[WAITING] = made
    line.once('close', () => {
      for (const each of made) gone.call(each)
    })
  }
  waiting.add(response)
  response.once('close', () => waiting.delete(response))
}
