import { parseMeshOptions } from '../../src/config/mesh-options.ts'
import type { MeshError } from '../../src/index.ts'

/** What is wrong with options, each problem with its place; nothing where they can be used. */
export function problemsOf(options: unknown): readonly string[] {
  try {
    parseMeshOptions(options)
    return []
  } catch (error) {
    return ((error as MeshError).cause as { problems: string[] }).problems
  }
}
