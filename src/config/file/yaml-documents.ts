import type { Composer, CST, Document } from 'yaml'
import { problemText } from '../schema/path.ts'
import { textOf } from '../schema/plain.ts'
import { Lines } from './lines.ts'
import { plainDocument } from './plain-value.ts'
import type { FileProblems, Position } from './problem.ts'
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

/** Far beyond any honest document; the composer calls itself once per level, and ends the process where the stack does. */
const MAX_NESTING = 200
const NESTED = `is nested more than ${MAX_NESTING} levels deep`
const MAX_ERRORS = 500
/** Some 3 MB of ordinary YAML; each takes 200 bytes until it is read. Long texts, such as certificates, are one each. */
const MAX_LEXEMES = 1_000_000
const LONG = `has more than ${MAX_LEXEMES} parts`

/**
 * The documents of a text in YAML 1.2, of which JSON is a part; undefined when it cannot be read. Never throws: what is wrong is
 * added to `problems`, with its place.
 */
export async function yamlDocuments(
  text: string,
  file: string,
  problems: FileProblems,
  slices: Slices,
): Promise<readonly FileDocument[] | undefined> {
  // Loaded at the first need: most meshes read no file.
  const yaml = await import('yaml')
  const lines = new Lines(text)
  let broken = false
  const tell = (offset: number, message: string): void => {
    broken = true
    problems.add({ kind: 'invalid', file, ...lines.positionOf(offset), message })
  }
  const documents: FileDocument[] = []
  try {
    const tokens = await tokensOf(yaml, text, slices, tell)
    if (tokens === undefined) return undefined
    for (const document of compose(yaml, tokens, text.length, tell)) {
      const plain = plainDocument(yaml, document)
      for (const problem of plain.problems) tell(problem.offset, problemText(problem))
      if (plain.excessive) continue
      const { value, unread } = plain
      documents.push({ file, value, unread, positionOf: (path) => lines.positionOf(plain.offsetOf(path)) })
    }
  } catch (error) {
    tell(0, `cannot be parsed: ${textOf(error)}`)
  }
  // What was read of a broken text is judged as well, so that all problems come at once.
  return broken && documents.length === 0 ? undefined : documents
}

/** The documents without mistakes of syntax. */
function* compose(
  yaml: typeof import('yaml'),
  tokens: readonly CST.Token[],
  end: number,
  tell: (offset: number, message: string) => void,
): Generator<Document.Parsed> {
  const composer = new yaml.Composer({
    prettyErrors: false,
    logLevel: 'silent',
    stringKeys: true,
    // It compares every key with every other; ours are looked up while they are read.
    uniqueKeys: false,
    // An unknown tag is a warning, and a warning is a problem: nothing is passed over in silence.
    resolveKnownTags: false,
  })
  limitErrors(composer, tell)
  for (const document of composer.compose(tokens, true, end)) {
    const { explicit, version } = document.directives?.yaml ?? {}
    const mistakes = [...document.errors, ...document.warnings]
    for (const { pos, message } of mistakes) tell(pos[0], message)
    // In 1.1 `no` is false, `1:30` is 90 and `<<` merges: two readings of one text are one too many.
    if (explicit === true && version !== '1.2') tell(0, `expected YAML 1.2, got %YAML ${version}`)
    else if (mistakes.length === 0) yield document
  }
}

/**
 * Ends the work of a composer after too many mistakes. It makes an error with a stack of each, 800 bytes, and a text of nothing but
 * commas would end the process for want of memory. The hook is not public; without it there is no limit, and all else works.
 */
function limitErrors(composer: Composer, tell: (offset: number, message: string) => void): void {
  const onError = composer['onError']
  let count = 0
  composer['onError'] = (...error: unknown[]) => {
    // What is thrown here is caught below, made an error of, and comes back.
    if (++count === MAX_ERRORS + 1) for (const { pos, message } of composer['errors']) tell(pos[0], message)
    if (count > MAX_ERRORS) throw new Error(`has more than ${MAX_ERRORS} mistakes`)
    onError(...error)
  }
}

/** The text taken apart, in slices: this is most of the work. The nesting is watched where nothing recurses yet. */
async function tokensOf(
  yaml: typeof import('yaml'),
  text: string,
  slices: Slices,
  tell: (offset: number, message: string) => void,
): Promise<readonly CST.Token[] | undefined> {
  const parser = new yaml.Parser()
  const list: CST.Token[] = []
  let count = 0
  for (const lexeme of new yaml.Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) list.push(token)
    const limit = parser.stack.length > MAX_NESTING ? NESTED : ++count > MAX_LEXEMES ? LONG : undefined
    if (limit !== undefined) {
      tell(parser.offset, limit)
      return undefined
    }
    if (slices.due()) await slices.pause()
  }
  for (const token of parser.end()) list.push(token)
  return list
}
