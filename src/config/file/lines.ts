import type { Position } from './problem.ts'

/** Where the lines of a text begin. The parser's own counter misses the ends of lines that it passes over as mistakes. */
export class Lines {
  private readonly starts: number[] = [0]

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.starts.push(at + 1)
  }

  positionOf(offset: number): Position {
    let [low, high] = [0, this.starts.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.starts[middle] as number) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: Math.max(0, offset - (this.starts[low] as number)) + 1 }
  }
}
