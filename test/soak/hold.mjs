import { readFileSync } from 'node:fs'

const SCHEDSTAT = '/proc/thread-self/schedstat'

/** Milliseconds that this thread has run, where the kernel tells; else the time of day, in which other programs have their share. */
function ranMs() {
  try {
    return Number(readFileSync(SCHEDSTAT, 'utf8').split(' ')[0]) / 1e6
  } catch {
    return performance.now()
  }
}

/**
 * How long the loop is held up at a time: what runs between two of its turns, counted in time that this thread really ran, so
 * that a machine which others use too does not fail a promise about us.
 */
export class LoopHolds {
  longest = 0
  #last = 0
  #watching = false

  /** Runs `work` as one turn, and everything after it turn by turn for `forMs`. Resolves to what `work` returned. */
  async watch(forMs, work) {
    this.#watching = true
    this.#last = ranMs()
    const result = work()
    this.#turn()
    await new Promise((resolve) => setTimeout(resolve, forMs))
    this.#watching = false
    return result
  }

  #turn = () => {
    const now = ranMs()
    this.longest = Math.max(this.longest, now - this.#last)
    this.#last = ranMs()
    if (this.#watching) setImmediate(this.#turn)
  }
}
