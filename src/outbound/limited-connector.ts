import type { ConnectionLimit } from '../resilience/connection-limit.ts'
import { CLOSED, type Connector, DialError } from './connector.ts'

/**
 * `connect` within the sockets that a service may have: each is counted from its first packet to its close, and one too many is
 * not opened before another has closed.
 * @param makeRoom lets go of an idle socket of the same service, if there is one
 * @param closed whether the mesh is closed: what waited until then opens nothing any more
 */
export function limitedConnector(connect: Connector, limit: ConnectionLimit, makeRoom: () => void, closed: () => boolean): Connector {
  return (options, connected) => {
    limit.dial(() => {
      if (closed()) {
        limit.closed()
        connected(new DialError('the mesh was closed', CLOSED, false), null)
        return
      }
      connect(options, (error, socket) => {
        if (socket === null) limit.closed()
        else socket.once('close', () => limit.closed())
        connected(error, socket)
      })
    }, makeRoom)
  }
}
