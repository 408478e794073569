/**
 * Lets at most `limit` tasks run at once; the others wait their turn, first come, first served. Ten thousand names that are asked for
 * in one moment are more datagrams than any server's buffer holds, and what is dropped looks like a dead server.
 */
export class Turns {
  private readonly limit: number
  private readonly waiting: (() => void)[] = []
  private running = 0

  constructor(limit: number) {
    this.limit = limit
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.running >= this.limit) await new Promise<void>((resolve) => this.waiting.push(resolve))
    else this.running++
    try {
      return await task()
    } finally {
      // The turn is handed on as it is: counted down and up again, a newcomer could slip in between.
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }
}
