import { builtinModule } from '../../core/builtin-module.ts'
import type { Clock } from '../../core/clock.ts'
import { listFiles, type NamedPath } from './list-files.ts'
import { type Judgement, type Merged, mergeDocuments } from './merge-documents.ts'
import { type FileProblem, FileProblems, fileProblemText, wholeFile } from './problem.ts'
import { decode, readBytes } from './read-file.ts'
import { Slices } from './slices.ts'
import { type FileDocument, yamlDocuments } from './yaml-documents.ts'

/** What lies on the disk now. */
export interface FileContents {
  /** The same for the same names with the same content. */
  readonly version: string
  readonly files: readonly { readonly label: string; readonly content: Buffer | FileProblem }[]
}

/** What that says. */
export interface Configuration extends Merged {
  readonly problems: readonly FileProblem[]
}

/** Reads every file that `paths` stand for; never throws. */
export async function readContents(paths: readonly NamedPath[]): Promise<FileContents> {
  const hash = builtinModule('node:crypto').createHash('sha256')
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
export async function parseContents({ files }: FileContents, judgement: Judgement, clock: Clock): Promise<Configuration> {
  const slices = new Slices(clock)
  const problems = new FileProblems()
  const documents: FileDocument[] = []
  for (const { label, content } of files) {
    const text = 'kind' in content ? content : decode(content, label)
    if (typeof text !== 'string') {
      problems.add(text)
      continue
    }
    const found = await yamlDocuments(text, label, problems, slices)
    // A document without content is what stands before a leading or after a trailing `---`.
    const written = found?.filter(({ value }) => value !== null)
    documents.push(...(written ?? []))
    if (written?.length === 0) problems.add(wholeFile('empty', label, EMPTY))
  }
  const merged = await mergeDocuments(documents, problems, judgement, slices)
  return { ...merged, problems: problems.sorted(files.map(({ label }) => label)) }
}

const EMPTY = 'there is nothing in this file; only an explicit "services: {}" leaves no service'
const NO_FILES = 'there is no *.yaml, *.yml or *.json in this directory; only an explicit "services: {}" leaves no service'
