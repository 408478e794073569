import { join, resolve } from 'node:path'
import { builtinModule } from '../../core/builtin-module.ts'

/** A path as it was written, and where that leads: a program may change its directory later. */
export interface NamedPath {
  readonly label: string
  readonly absolute: string
}

export function namedPath(label: string): NamedPath {
  return { label, absolute: resolve(label) }
}

/** Whether an entry of a directory is configuration. `..data` and its like are how Kubernetes keeps versions: never content. */
export function isConfigName(name: string): boolean {
  return !name.startsWith('.') && /\.(?:ya?ml|json)$/i.test(name)
}

/** What paths stand for. */
export interface Listing {
  readonly files: readonly NamedPath[]
  /** Directories in which no configuration lies, as they were named. */
  readonly empty: readonly string[]
}

/**
 * The files that `paths` stand for: a directory gives its `*.yaml`, `*.yml` and `*.json` in the order of their names, anything
 * else itself, also when it is not there. A file that is named twice counts once.
 */
export async function listFiles(paths: readonly NamedPath[]): Promise<Listing> {
  const files = new Map<string, NamedPath>()
  const empty: string[] = []
  for (const path of paths) {
    const found = (await isDirectory(path.absolute)) ? await entries(path) : [path]
    if (found.length === 0) empty.push(path.label)
    for (const file of found) if (!files.has(file.absolute)) files.set(file.absolute, file)
  }
  return { files: [...files.values()], empty }
}

async function isDirectory(path: string): Promise<boolean> {
  return builtinModule('node:fs/promises')
    .stat(path)
    .then(
      (stats) => stats.isDirectory(),
      () => false,
    )
}

async function entries(directory: NamedPath): Promise<NamedPath[]> {
  try {
    const names = (await builtinModule('node:fs/promises').readdir(directory.absolute)).filter(isConfigName).sort()
    return names.map((name) => ({ label: join(directory.label, name), absolute: join(directory.absolute, name) }))
  } catch {
    // Reading it as a file names the reason: no rights, or it is gone by now.
    return [directory]
  }
}
