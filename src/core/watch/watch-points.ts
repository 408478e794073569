import type { BigIntStats } from 'node:fs'
import { join, parse, resolve, sep } from 'node:path'
import { builtinModule } from '../builtin-module.ts'

/** A directory or a file in which a change may alter what a path leads to. */
export interface WatchPoint {
  readonly path: string
  /** Device and inode: a directory that was replaced needs another watch under the same path. */
  readonly identity: string
  concerns(name: string): boolean
}

/** More links than any system follows. */
const MAX_LINKS = 40
/** Entries of one directory whose own links are followed. */
const MAX_ENTRIES = 1_000

/** Which entries of a directory that is watched whole matter. */
export type Matters = (name: string) => boolean

/**
 * Where to watch so that no change of what `paths` lead to goes unseen: the directory in which each path stands and those of all
 * symbolic links on the way (`mesh.yaml → ..data/mesh.yaml`, `..data → ..2026_01_01` of a Kubernetes volume, whose one rename
 * changes everything), and the file itself, since one that is mounted alone is written under another directory. What is missing
 * is waited for in the nearest directory that is there.
 */
export async function watchPoints(paths: readonly string[], matters: Matters = () => false): Promise<WatchPoint[]> {
  const walk = new Walk(matters)
  for (const path of paths) await walk.follow(path)
  return walk.points()
}

class Walk {
  /** By directory or file: the names in it that matter; undefined: the thing itself. */
  private readonly wanted = new Map<string, { identity: string; names: Set<string>; everything: boolean }>()
  private readonly known = new Map<string, Promise<BigIntStats | undefined>>()
  private readonly matters: Matters

  constructor(matters: Matters) {
    this.matters = matters
  }

  points(): WatchPoint[] {
    return [...this.wanted].map(([path, { identity, names, everything }]) => ({
      path,
      identity,
      concerns: (name) => names.has(name) || (everything && (this.matters(name) || name === '..data')),
    }))
  }

  /** Walks the parts of `path` one by one, from the root, and starts anew where a link leads. */
  async follow(path: string): Promise<void> {
    const end = await this.resolve(path)
    if (end === undefined) return
    const stats = await this.look(end)
    if (stats?.isFile() === true) this.want(end, stats)
    if (stats?.isDirectory() !== true) return
    this.want(end, stats).everything = true
    const names = await builtinModule('node:fs/promises')
      .readdir(end)
      .catch(() => [])
    for (const name of names.filter(this.matters).slice(0, MAX_ENTRIES)) {
      const entry = join(end, name)
      if ((await this.look(entry))?.isSymbolicLink() === true) await this.resolve(entry)
    }
  }

  /** What `path` is in the end, with every place on the way noted; undefined where it leads nowhere. */
  private async resolve(path: string): Promise<string | undefined> {
    let rest = path
    for (let links = 0; links <= MAX_LINKS; links++) {
      const { root } = parse(rest)
      const parts = rest.slice(root.length).split(sep).filter(Boolean)
      let at = root
      let target: string | undefined
      for (const [index, part] of parts.entries()) {
        const here = join(at, part)
        const stats = await this.look(here)
        const last = index === parts.length - 1
        if (stats === undefined || stats.isSymbolicLink() || last) await this.wantIn(at, part)
        if (stats === undefined) return undefined
        if (stats.isSymbolicLink()) {
          const leadsTo = await builtinModule('node:fs/promises')
            .readlink(here)
            .catch(() => undefined)
          if (leadsTo === undefined) return undefined
          target = join(resolve(at, leadsTo), ...parts.slice(index + 1))
          break
        }
        at = here
      }
      if (target === undefined) return at
      rest = target
    }
    return undefined
  }

  private async wantIn(directory: string, name: string): Promise<void> {
    const stats = await this.look(directory)
    if (stats !== undefined) this.want(directory, stats).names.add(name)
  }

  private want(path: string, { dev, ino }: BigIntStats): { names: Set<string>; everything: boolean } {
    let wanted = this.wanted.get(path)
    if (wanted === undefined) {
      wanted = { identity: `${dev}:${ino}`, names: new Set(), everything: false }
      this.wanted.set(path, wanted)
    }
    return wanted
  }

  /** Each path is looked at once: the entries of a Kubernetes volume share nearly all of their way. */
  private look(path: string): Promise<BigIntStats | undefined> {
    let known = this.known.get(path)
    if (known === undefined) {
      known = builtinModule('node:fs/promises')
        .lstat(path, { bigint: true })
        .catch(() => undefined)
      this.known.set(path, known)
    }
    return known
  }
}
