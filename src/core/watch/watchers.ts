import type { FSWatcher } from 'node:fs'
import { basename } from 'node:path'
import { builtinModule } from '../builtin-module.ts'
import type { WatchPoint } from './watch-points.ts'

interface Watched {
  point: WatchPoint
  readonly watcher: FSWatcher
  /** Something happened to the place itself. If it was removed the watch is dead, and what stands there now may have its inode. */
  stale: boolean
}

/**
 * The platform's watches on a changing set of places. They are a means to be quick and no more: a watch may fail to begin (limits,
 * rights), end on its own, or say nothing (network file systems), so whoever holds them also looks from time to time.
 */
export class Watchers {
  private readonly watched = new Map<string, Watched>()
  private readonly changed: () => void

  constructor(changed: () => void) {
    this.changed = changed
  }

  /** Watches these places and no others; a watch on what is still the same stays. True when one is new. */
  set(points: readonly WatchPoint[]): boolean {
    const wanted = new Map(points.map((point) => [point.path, point]))
    for (const [path, { point, stale }] of this.watched) if (stale || wanted.get(path)?.identity !== point.identity) this.drop(path)
    let anew = false
    for (const [path, point] of wanted) {
      const there = this.watched.get(path)
      if (there !== undefined) there.point = point
      else if (this.begin(point)) anew = true
    }
    return anew
  }

  close(): void {
    for (const path of [...this.watched.keys()]) this.drop(path)
  }

  private begin(point: WatchPoint): boolean {
    try {
      const watcher = builtinModule('node:fs').watch(point.path, { persistent: false })
      const entry: Watched = { point, watcher, stale: false }
      watcher.on('change', (_, name) => {
        const itself = typeof name !== 'string' || name === basename(point.path)
        entry.stale ||= itself
        if (itself || entry.point.concerns(name)) this.changed()
      })
      // It stays in its place, dead: one that begins anew and fails anew would never end.
      watcher.on('error', () => {
        watcher.close()
        this.changed()
      })
      this.watched.set(point.path, entry)
      return true
    } catch {
      // The next look is then the poll's.
      return false
    }
  }

  private drop(path: string): void {
    this.watched.get(path)?.watcher.close()
    this.watched.delete(path)
  }
}
