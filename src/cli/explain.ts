import { isMeshError } from '../core/errors.ts'
import { createMesh } from '../mesh.ts'
import type { Explanation } from '../model/explanation.ts'
import type { ServiceOptions } from '../model/options.ts'
import type { RouteOptions } from '../model/routes.ts'
import type { Source } from '../model/source.ts'
import { withPlaces } from '../plan/explain/places.ts'
import { type Command, UsageError } from './arguments.ts'
import { writeExplanation } from './explanation-text.ts'
import { FilePlaces } from './file-places.ts'
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
  const mesh = createMesh({
    namespace,
    allowAddresses: [...allowAddresses],
    services: found.written as Record<string, ServiceOptions>,
    routes: found.writtenRoutes as RouteOptions[],
    sources: [ELSEWHERE],
  })
  const explanation = withFiles(
    explained(() => mesh.explain(request)),
    new FilePlaces(found, namespace),
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

/** Names the file, and the place in it, where the mesh, which got everything as options, names those: as it would of a `fileSource`. */
function withFiles(explanation: Explanation, files: FilePlaces): Explanation {
  const rename = (from: string): string => files.rename(from)
  const renamed = <Names extends Record<string, string>>(from: Names): Names =>
    Object.fromEntries(Object.entries(from).map(([part, source]) => [part, rename(source)])) as Names
  const told = <T extends Pick<Explanation, 'selection' | 'gates' | 'safeguards' | 'timeouts' | 'from'>>(part: T): T => ({
    ...part,
    ...(part.selection && { selection: { ...part.selection, from: rename(part.selection.from) } }),
    gates: part.gates.map((gate) => ({ ...gate, from: rename(gate.from) })),
    safeguards: part.safeguards.map((guard) => ({ ...guard, from: rename(guard.from) })),
    timeouts: part.timeouts && { ...part.timeouts, from: renamed(part.timeouts.from) },
    from: renamed(part.from),
  })
  // Nobody waits for a mesh that is never started.
  const { waitsFor: _, ...known } = explanation
  const renamedAll = {
    ...told(known),
    rewrites: explanation.rewrites.map((said) => said.replace(/\((options\/[^()]*)\)/g, (_, from: string) => `(${rename(from)})`)),
    ...(explanation.alternatives === undefined ? {} : { alternatives: explanation.alternatives.map(told) }),
  }
  return withPlaces(renamedAll, files.placeOf)
}

/** Backends that these files do not name may come from elsewhere; a source that is never started says so. */
const ELSEWHERE: Source = { name: 'elsewhere', watch: () => () => {} }
