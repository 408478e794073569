import { builtinModule } from '../../core/builtin-module.ts'

/** What became of a look. `waiting`: it is broken, and perhaps only half written. */
export type Look = 'same' | 'changed' | 'waiting' | 'broken'

/** What files make together, and what to do with it. */
export interface LivingFilesOptions<T> {
  readonly paths: readonly string[]
  /** @throws Error that says what is wrong with the contents */
  make(contents: readonly Buffer[]): T
  /** Told once for the same contents, when they were still broken a while later. */
  rejected(reason: string): void
}

/**
 * Something that a few small files make together, such as a certificate and its key. Good contents replace it whole, broken ones leave
 * it as it is. The reads are synchronous on purpose: the thread pool may be busy, and these files are a few kilobytes.
 */
export class LivingFiles<T> {
  value: T | undefined = undefined
  private readonly options: LivingFilesOptions<T>
  private inForce = ''
  private broken: { readonly stamp: string; readonly since: number; told: boolean } | undefined = undefined

  constructor(options: LivingFilesOptions<T>) {
    this.options = options
  }

  look(now: number): Look {
    const { options } = this
    let stamp = ''
    try {
      const contents = options.paths.map(readSmall)
      stamp = stampOf(contents)
      if (stamp === this.inForce) {
        this.broken = undefined
        return 'same'
      }
      this.value = options.make(contents)
      this.inForce = stamp
      this.broken = undefined
      return 'changed'
    } catch (error) {
      return this.judge(stamp, (error as Error).message, now)
    }
  }

  private judge(contents: string, reason: string, now: number): Look {
    // A file that cannot be read has no contents; why it cannot is as good.
    const stamp = `${contents} ${reason}`
    if (this.broken?.stamp !== stamp) this.broken = { stamp, since: now, told: false }
    if (this.broken.told) return 'broken'
    if (now - this.broken.since < PATIENCE_MS) return 'waiting'
    this.broken.told = true
    this.options.rejected(reason)
    return 'broken'
  }
}

function readSmall(path: string): Buffer {
  const { readFileSync, statSync } = builtinModule('node:fs')
  const stats = statSync(path)
  // Opening a pipe would wait for a writer.
  if (!stats.isFile()) throw new Error(`${path} is no file`)
  if (stats.size > MAX_BYTES) throw new Error(`${path} is too large: at most ${MAX_BYTES} bytes are read`)
  return readFileSync(path)
}

/** Contents are told apart by their hash: a key is not kept to be compared. */
function stampOf(contents: readonly Buffer[]): string {
  const hash = builtinModule('node:crypto').createHash('sha256')
  for (const each of contents) hash.update(`${each.length} `).update(each)
  return hash.digest('base64')
}

/** How long a certificate may wait for its key, and a file for the rest of it. */
const PATIENCE_MS = 1_000
const MAX_BYTES = 4 * 1024 * 1024
