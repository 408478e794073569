import { afterEach } from 'vitest'
import { createMesh, type Mesh, type MeshError, type MeshOptions } from '../../src/index.ts'
import { FaultServer, type Step } from './fault-server.ts'
import { meshErrorIn } from './scenario.ts'

/** Servers and meshes of one test, closed when it ends. */
export function testMeshes() {
  const cleanups: (() => unknown)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup()
  })
  return {
    async server(...script: Step[]): Promise<FaultServer> {
      const server = await FaultServer.start(...script)
      cleanups.push(() => server.close())
      return server
    },
    mesh(options: MeshOptions): Mesh {
      const mesh = createMesh(options)
      cleanups.unshift(() => mesh.close({ timeout: 0 }))
      return mesh
    },
  }
}

/** The MeshError that `work` ends with; fails when it ends well. */
export async function failure(work: Promise<unknown>): Promise<MeshError> {
  try {
    await work
  } catch (error) {
    const found = meshErrorIn(error)
    if (found === undefined) throw error
    return found
  }
  throw new Error('it ended well')
}

/** What became of many calls: how many were answered, and how many ended with each code. */
export async function tally(calls: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const names = calls.map((call) =>
    call.then(
      () => 'answered',
      (error: unknown) => meshErrorIn(error)?.code ?? String(error),
    ),
  )
  const counts: Record<string, number> = {}
  for (const name of await Promise.all(names)) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** A server's step: waits until `open` is called, then answers 200 with the request's path. */
export function gate(): { step: Step; open: () => void; waiting: () => number } {
  let open = (): void => {}
  let waiting = 0
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const step: Step = async ({ request, bodyRead, answer }) => {
    waiting++
    await bodyRead
    await opened
    answer(200, request.path)
  }
  return { step, open, waiting: () => waiting }
}
