import { afterEach } from 'vitest'
import { FaultServer, type Step } from './fault-server.ts'

/** What the tests of a file open is closed after each of them. */
export function lifetimes(): { keep: (close: () => unknown) => void; serverOf: (...script: Step[]) => Promise<FaultServer> } {
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
  }
}
