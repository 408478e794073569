import { createHash } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'
import { listFiles, type NamedPath } from './list-files.ts'
import { type Judgement, type Merged, mergeDocuments } from './merge-documents.ts'
import { type FileProblem, fileProblemText, wholeFile } from './problem.ts'
import { decode, readBytes } from './read-file.ts'
import { Slices } from './slices.ts'
import { type FileDocument, yamlDocuments } from './yaml-documents.ts'

/** What lies on the disk now. */
export interface FileContents {
  /** The same for the same names with the same content. */
  readonly version: string
  readonly files: readonly { readonly label: string; readonly content: Buffer | FileProblem }[]
}

/** Reads every file that `paths` stand for; never throws. */
export async function readContents(paths: readonly NamedPath[]): Promise<FileContents> {
  const hash = createHash('sha256')
  const files: { label: string; content: Buffer | FileProblem }[] = []
  // One after the other: a directory of thousands must not take every thread of the pool.
  const listing = await listFiles(paths)
  for (const path of listing.files) files.push({ label: path.label, content: await readBytes(path) })
  for (const label of listing.empty) files.push({ label, content: wholeFile('empty', label, NO_FILES) })
  for (const { label, content } of files) {
    hash.update(`${label}\0${'kind' in content ? content.kind : content.length}\0`)
    hash.update('kind' in content ? fileProblemText(content) : content)
  }
  return { version: hash.digest('hex').slice(0, 16), files }
}

/**
 * Parses and checks what was read. What was read is one configuration, taken whole or not at all; every problem of every file
 * comes at once.
 */
export async function parseContents({ files }: FileContents, judgement: Judgement, clock: Clock): Promise<Merged> {
  const slices = new Slices(clock)
  const problems: FileProblem[] = []
  const documents: FileDocument[] = []
  for (const { label, content } of files) {
    const text = 'kind' in content ? content : decode(content, label)
    if (typeof text !== 'string') {
      problems.push(text)
      continue
    }
    const found = await yamlDocuments(text, label, slices)
    problems.push(...found.problems)
    // A document without content is what stands before a leading or after a trailing `---`.
    const written = found.documents.filter(({ value }) => value !== null)
    documents.push(...written)
    if (written.length === 0 && found.problems.length === 0) problems.push(wholeFile('empty', label, EMPTY))
  }
  const merged = await mergeDocuments(documents, judgement, slices)
  problems.push(...merged.problems)
  const order = new Map(files.map(({ label }, index) => [label, index]))
  const place = ({ file }: FileProblem): number => order.get(file) ?? 0
  problems.sort((a, b) => place(a) - place(b) || a.line - b.line || a.column - b.column)
  return { ...merged, services: problems.length === 0 ? merged.services : undefined, problems }
}

const EMPTY = 'there is nothing in this file; only an explicit "services: {}" leaves no service'
const NO_FILES = 'there is no *.yaml, *.yml or *.json in this directory; only an explicit "services: {}" leaves no service'
