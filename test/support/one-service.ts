import { createMesh, type Mesh, type MeshOptions, type ServiceOptions } from '../../src/index.ts'
import { FaultServer, type Step } from './fault-server.ts'
import { lifetimes } from './lifetimes.ts'

/** A mesh whose service `orders` runs on servers that behave as a script each says; all are closed after each test, the mesh first. */
export function manyServers(options: MeshOptions = {}): {
  keep: (close: () => unknown) => void
  start: (service: ServiceOptions, ...scripts: Step[][]) => Promise<{ mesh: Mesh; servers: FaultServer[] }>
} {
  const { keep } = lifetimes()
  return {
    keep,
    async start(service, ...scripts) {
      const servers = await Promise.all(scripts.map((script) => FaultServer.start(...script)))
      const mesh = createMesh({ ...options, services: { orders: { endpoints: servers.map(({ address }) => address), ...service } } })
      keep(() => mesh.close({ timeout: 0 }))
      for (const server of servers) keep(() => server.close())
      return { mesh, servers }
    },
  }
}

/** The same with one server. */
export function oneService(): {
  keep: (close: () => unknown) => void
  start: (service: ServiceOptions, ...script: Step[]) => Promise<{ mesh: Mesh; server: FaultServer }>
} {
  const { keep, start } = manyServers()
  return {
    keep,
    async start(service, ...script) {
      const { mesh, servers } = await start(service, script)
      return { mesh, server: servers[0] as FaultServer }
    },
  }
}
