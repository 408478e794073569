import { builtinModule } from '../../core/builtin-module.ts'
import type { Clock } from '../../core/clock.ts'

/**
 * A small file of the system, read again when it changed. Both looks are synchronous on purpose: Node's asynchronous file system
 * works in the thread pool, where a name would wait behind somebody's password hash. A look costs some ten microseconds, at most
 * once a second.
 */
export class WatchedFile<T> {
  private readonly path: string
  private readonly parse: (text: string) => T
  private readonly clock: Clock
  private lookedAt = Number.NEGATIVE_INFINITY
  private stamp = ''
  private content: T

  constructor(path: string, parse: (text: string) => T, clock: Clock) {
    this.path = path
    this.parse = parse
    this.clock = clock
    this.content = parse('')
  }

  /** What it says, at most a second old; what it said before when it cannot be read now. The same object until it changes. */
  read(): T {
    const now = this.clock.now()
    if (now - this.lookedAt < LOOK_EVERY_MS) return this.content
    this.lookedAt = now
    try {
      const { readFileSync, statSync } = builtinModule('node:fs')
      const { mtimeMs, size, ino } = statSync(this.path)
      const stamp = `${mtimeMs} ${size} ${ino}`
      if (stamp === this.stamp || size > MAX_BYTES) return this.content
      this.content = this.parse(readFileSync(this.path, 'utf8'))
      this.stamp = stamp
    } catch {
      // Absent is as good as empty, and a file that is being replaced is there again in a second.
    }
    return this.content
  }
}

const LOOK_EVERY_MS = 1_000
const MAX_BYTES = 8 * 1024 * 1024
