import { type FSWatcher, watch } from 'node:fs'
import { basename } from 'node:path'
import type { WatchPoint } from './watch-points.ts'

interface Watched {
  point: WatchPoint
  readonly watcher: FSWatcher
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

  get size(): number {
    return this.watched.size
  }

  /** Watches these places and no others; a watch on what is still the same stays. */
  set(points: readonly WatchPoint[]): void {
    const wanted = new Map(points.map((point) => [point.path, point]))
    for (const [path, { point }] of this.watched) if (wanted.get(path)?.identity !== point.identity) this.drop(path)
    for (const [path, point] of wanted) {
      const there = this.watched.get(path)
      if (there === undefined) this.begin(point)
      else there.point = point
    }
  }

  close(): void {
    for (const path of [...this.watched.keys()]) this.drop(path)
  }

  private begin(point: WatchPoint): void {
    try {
      const watcher = watch(point.path, { persistent: false })
      const entry: Watched = { point, watcher }
      watcher.on('change', (_, name) => {
        if (concerns(entry.point, typeof name === 'string' ? name : undefined)) this.changed()
      })
      watcher.on('error', () => {
        if (this.watched.get(point.path) === entry) this.drop(point.path)
        this.changed()
      })
      this.watched.set(point.path, entry)
    } catch {
      // The next look is then the poll's.
    }
  }

  private drop(path: string): void {
    this.watched.get(path)?.watcher.close()
    this.watched.delete(path)
  }
}

/** Without a name, or with its own, it is about the place itself: it was removed, renamed or written. */
function concerns(point: WatchPoint, name: string | undefined): boolean {
  return name === undefined || name === basename(point.path) || point.concerns(name)
}
