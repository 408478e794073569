import type { CST, Document, LineCounter } from 'yaml'
import { problemText } from '../schema/path.ts'
import { textOf } from '../schema/plain.ts'
import { plainDocument } from './plain-value.ts'
import type { FileProblem, Position } from './problem.ts'
import type { Slices } from './slices.ts'

/** One document of a file. */
export interface FileDocument {
  readonly file: string
  /** Plain data; null where nothing but comments was written. */
  readonly value: unknown
  /** Paths whose value could not be read, which is told already. */
  readonly unread: ReadonlySet<string>
  positionOf(path: readonly PropertyKey[]): Position
}

/** What a text was found to be. */
export interface FileDocuments {
  readonly documents: readonly FileDocument[]
  readonly problems: readonly FileProblem[]
}

/** Far beyond any honest document; the composer calls itself once per level, and ends the process where the stack does. */
const MAX_NESTING = 200

/** The documents of a text in YAML 1.2, of which JSON is a part. Never throws; what is wrong comes with its place. */
export async function yamlDocuments(text: string, file: string, slices: Slices): Promise<FileDocuments> {
  // Loaded at the first need: most meshes read no file.
  const yaml = await import('yaml')
  const lines = new yaml.LineCounter()
  const problems: FileProblem[] = []
  const tell = (offset: number, message: string): void => {
    problems.push({ kind: 'invalid', file, ...position(lines, offset), message })
  }
  try {
    const tokens = await tokensOf(yaml, text, lines, slices)
    if ('nestedAt' in tokens) {
      tell(tokens.nestedAt, `is nested more than ${MAX_NESTING} levels deep`)
      return { documents: [], problems }
    }
    const composer = new yaml.Composer({
      prettyErrors: false,
      logLevel: 'silent',
      stringKeys: true,
      // It compares every key with every other; ours are looked up while they are read.
      uniqueKeys: false,
      // An unknown tag is a warning, and a warning is a problem: nothing is passed over in silence.
      resolveKnownTags: false,
    })
    const documents: FileDocument[] = []
    for (const document of composer.compose(tokens.list, true, text.length)) {
      const found = syntaxProblems(document)
      for (const { offset, message } of found) tell(offset, message)
      if (found.length > 0) continue
      const plain = plainDocument(yaml, document)
      for (const problem of plain.problems) tell(problem.offset, problemText(problem))
      const { value, unread } = plain
      documents.push({ file, value, unread, positionOf: (path) => position(lines, plain.offsetOf(path)) })
    }
    return { documents, problems }
  } catch (error) {
    tell(0, `cannot be parsed: ${textOf(error)}`)
    return { documents: [], problems }
  }
}

/** The text taken apart, in slices: this is most of the work. The nesting is watched where nothing recurses yet. */
async function tokensOf(
  yaml: typeof import('yaml'),
  text: string,
  lines: LineCounter,
  slices: Slices,
): Promise<{ list: CST.Token[] } | { nestedAt: number }> {
  const parser = new yaml.Parser(lines.addNewLine)
  const list: CST.Token[] = []
  lines.addNewLine(0)
  for (const lexeme of new yaml.Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) list.push(token)
    if (parser.stack.length > MAX_NESTING) return { nestedAt: parser.offset }
    if (slices.due()) await slices.pause()
  }
  for (const token of parser.end()) list.push(token)
  return { list }
}

function syntaxProblems(document: Document.Parsed): { offset: number; message: string }[] {
  const problems = [...document.errors, ...document.warnings].map(({ pos, message }) => ({ offset: pos[0], message }))
  const { explicit, version } = document.directives?.yaml ?? {}
  // In 1.1 `no` is false, `1:30` is 90 and `<<` merges: two readings of one text are one too many.
  if (explicit === true && version !== '1.2') problems.unshift({ offset: 0, message: `expected YAML 1.2, got %YAML ${version}` })
  return problems
}

function position(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}
