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
