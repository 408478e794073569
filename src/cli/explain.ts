import { isMeshError } from '../core/errors.ts'
import { createMesh } from '../mesh.ts'
import type { Explanation } from '../model/explanation.ts'
import type { ServiceOptions } from '../model/options.ts'
import { type Command, UsageError } from './arguments.ts'
import { writeExplanation } from './explanation-text.ts'
import { read, writeProblems } from './read.ts'
import type { Terminal } from './terminal.ts'

/** `inmesh explain`: what `mesh.explain` says of a request, under these files. Gives the exit code. */
export async function explain(command: Command & { name: 'explain' }, { out }: Terminal): Promise<number> {
  const found = await read(command)
  if (found.services === undefined) {
    writeProblems(found, out)
    return 1
  }
  const { namespace, allowAddresses, request } = command
  // A mesh that is never started: it opens nothing, and loads no undici.
  const mesh = createMesh({ namespace, allowAddresses: [...allowAddresses], services: found.written as Record<string, ServiceOptions> })
  const explanation = withFiles(
    explained(() => mesh.explain(request)),
    (name) => found.places.get(name)?.file,
  )
  if (command.json) out.write(`${JSON.stringify(explanation, null, 2)}\n`)
  else writeExplanation(explanation, request, out)
  return 0
}

function explained(ask: () => Explanation): Explanation {
  try {
    return ask()
  } catch (error) {
    if (isMeshError(error) && error.code === 'MESH_CONFIG') throw new UsageError(error.reason)
    throw error
  }
}

/** Names the file where the mesh, which got everything as options, names those: as `fileSource` would. */
function withFiles(explanation: Explanation, fileOf: (service: string) => string | undefined): Explanation {
  const rename = (from: string): string => {
    const [, rest, service = ''] = /^options\/([^/]+\/[^/]*\/([^#]*).*)$/s.exec(from) ?? []
    const file = fileOf(service)
    return rest === undefined || file === undefined ? from : `file:${file}/${rest}`
  }
  return {
    ...explanation,
    gates: explanation.gates.map((gate) => ({ ...gate, from: rename(gate.from) })),
    from: Object.fromEntries(Object.entries(explanation.from).map(([part, from]) => [part, rename(from)])),
  }
}
