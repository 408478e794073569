import type { AddressInfo, Server } from 'node:net'
import { afterEach } from 'vitest'
import { FaultServer, type Step } from './fault-server.ts'

/** What the tests of a file open is closed after each of them. */
export function lifetimes(): {
  keep: (close: () => unknown) => void
  serverOf: (...script: Step[]) => Promise<FaultServer>
  /** Lets `server` listen on a free port of loopback, and gives the port. */
  listen: (server: Server) => Promise<number>
} {
  const cleanups: (() => unknown)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup()
  })
  return {
    keep: (close) => void cleanups.push(close),
    async serverOf(...script) {
      const server = await FaultServer.start(...script)
      cleanups.push(() => server.close())
      return server
    },
    async listen(server) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      cleanups.push(() => {
        ;(server as { closeAllConnections?: () => void }).closeAllConnections?.()
        server.close()
      })
      return (server.address() as AddressInfo).port
    },
  }
}
