/** What is wrong with a file: it cannot be read, there is nothing in it, or what is in it cannot be taken. */
export type FileProblemKind = 'unreadable' | 'empty' | 'invalid'

/** One problem and its place. Lines and columns begin at 1; a column counts UTF-16 units, as editors do. */
export interface FileProblem {
  readonly kind: FileProblemKind
  /** As it was named: relative paths stay relative. */
  readonly file: string
  readonly line: number
  readonly column: number
  /** `services.orders.retry.attempts: expected …` */
  readonly message: string
}

/** A place in a text. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** `mesh.yaml:12:7: services.orders.retry.attempts: expected …`; what could not be read has no place inside. */
export function fileProblemText({ kind, file, line, column, message }: FileProblem): string {
  return kind === 'unreadable' ? `${file}: ${message}` : `${file}:${line}:${column}: ${message}`
}

/** A problem of a file as a whole. */
export function wholeFile(kind: FileProblemKind, file: string, message: string): FileProblem {
  return { kind, file, line: 1, column: 1, message }
}

/** Nobody reads more, and a text that is nothing but mistakes would fill the memory with them. */
const MOST_PROBLEMS = 1_000
/** A key, and a token that the parser quotes, may be as long as the file. */
const LONGEST_MESSAGE = 1_000

/** Problems in the order in which they are found; from a number on they are only counted. */
export class FileProblems {
  readonly list: FileProblem[] = []
  private left = 0

  /** Whether there is no sense in looking for more. */
  get full(): boolean {
    return this.list.length >= MOST_PROBLEMS
  }

  add(problem: FileProblem): void {
    if (this.full) this.left++
    else this.list.push({ ...problem, message: shortened(problem.message) })
  }

  /** Sorted by file, in the order of `files`, and by place. */
  sorted(files: readonly string[]): FileProblem[] {
    const order = new Map(files.map((file, index) => [file, index]))
    const rank = ({ file }: FileProblem): number => order.get(file) ?? 0
    const sorted = [...this.list].sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column)
    const last = sorted.at(-1)
    return last === undefined || this.left === 0 ? sorted : [...sorted, { ...last, message: `and ${this.left} more problems` }]
  }
}

function shortened(message: string): string {
  return message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, LONGEST_MESSAGE)} … (${message.length} characters)`
}
