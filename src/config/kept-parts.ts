import { sameContent } from './same-content.ts'
import { copyPlain, type Plain } from './schema/plain.ts'
import type { Checked } from './schema/problems.ts'

/** A part that was taken, and what was made of it. */
interface Kept<T> {
  readonly copy: unknown
  readonly output: T
}

/**
 * The parts of a configuration that were taken last, by name. One that says the same again is neither copied nor judged, and is the very
 * object that it was: whatever compares by identity knows that nothing changed. A part that is too large to compare, or that holds what
 * somebody may change under our hands (buffers, functions), is read anew each time.
 */
export class KeptParts<T> {
  private readonly judge: (part: Plain, key: string) => Checked<T>
  private former = new Map<string, Kept<T>>()
  private next = new Map<string, Kept<T>>()

  constructor(judge: (part: Plain, key: string) => Checked<T>) {
    this.judge = judge
  }

  /** `written`, checked; `key` tells it from the others. */
  check(key: string, written: unknown): Checked<T> {
    const former = this.former.get(key)
    if (former !== undefined && isSame(written, former.copy)) {
      this.next.set(key, former)
      return former
    }
    const plain = copyPlain(written)
    const checked = this.judge(plain, key)
    if ('output' in checked && plain.comparable) this.next.set(key, { copy: plain.value, output: checked.output })
    return checked
  }

  /** The whole was `taken`, or else refused: then what was taken before stays what the next one is compared with. */
  settle(taken: boolean): void {
    if (taken) this.former = this.next
    this.next = new Map()
  }
}

function isSame(written: unknown, copy: unknown): boolean {
  try {
    return sameContent(written, copy)
  } catch {
    // A getter or a proxy: whoever copies it tells what is wrong.
    return false
  }
}
