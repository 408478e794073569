import type { Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'
import type { Connector } from './connector.ts'

/**
 * Takes `socket` for the first connection, and dials from then on. It was dialled for somebody who may have left meanwhile: a socket that
 * nobody takes is closed, since no pool knows it, and what breaks in it without a listener would end the process.
 */
export function beginningWith(socket: Socket, connect: Connector, clock: Clock): Connector {
  let first: Socket | undefined = socket
  socket.on('error', hurtsNobody)
  clock.afterPoll(() => {
    first?.destroy()
    first = undefined
  })
  return (options, connected) => {
    const given = first
    first = undefined
    if (given === undefined || given.destroyed) {
      connect(options, connected)
      return
    }
    // undici does not go on with what it has when it is told so before it stopped asking.
    queueMicrotask(() => {
      given.off('error', hurtsNobody)
      connected(null, given)
    })
  }
}

const hurtsNobody = (): void => {}
