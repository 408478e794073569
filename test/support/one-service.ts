import { createMesh, type Mesh, type ServiceOptions } from '../../src/index.ts'
import { FaultServer, type Step } from './fault-server.ts'
import { lifetimes } from './lifetimes.ts'

/** A mesh whose service `orders` runs on one server that behaves as a script says; both are closed after each test, the mesh first. */
export function oneService(): {
  keep: (close: () => unknown) => void
  start: (service: ServiceOptions, ...script: Step[]) => Promise<{ mesh: Mesh; server: FaultServer }>
} {
  const { keep } = lifetimes()
  return {
    keep,
    async start(service, ...script) {
      const server = await FaultServer.start(...script)
      const mesh = createMesh({ services: { orders: { endpoints: [server.address], ...service } } })
      keep(() => mesh.close({ timeout: 0 }))
      keep(() => server.close())
      return { mesh, server }
    },
  }
}
