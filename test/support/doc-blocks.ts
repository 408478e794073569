import ts from 'typescript'

/** One fenced block of TypeScript or JavaScript in a document. */
export interface DocBlock {
  /** `README.md:12`: where its first line stands. */
  name: string
  /** `README.md`. */
  document: string
  language: 'ts' | 'js'
  /** Marked `no-run`: allowed for pure types only. */
  noRun: boolean
  /** Name of a file in doc-setups, from `<!-- setup: name -->` right above the block. */
  setup: string | undefined
  /** As many empty lines as stand above it in the document, then the block: line numbers in errors are the document's. */
  code: string
  /** What it prints, from a `text` fence below it with nothing but empty lines between; `text varies` is for the reader alone. */
  output: string | undefined
}

const FENCE = /^(\s*)(`{3,}|~{3,})\s*(\w*)\s*(.*)$/
const SETUP = /^\s*<!--\s*setup:\s*([\w-]+)\s*-->\s*$/
const LANGUAGES: Readonly<Record<string, 'ts' | 'js'>> = { ts: 'ts', typescript: 'ts', js: 'js', javascript: 'js', mjs: 'js', cjs: 'js' }

/** Every ts and js block of a document, in order. Throws on a fence that is never closed. */
export function docBlocks(document: string, markdown: string): DocBlock[] {
  const lines = markdown.split('\n')
  const blocks: DocBlock[] = []
  let setup: string | undefined
  /** The block that a fence with output would belong to. */
  let above: DocBlock | undefined
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at] as string
    const [, indent = '', ticks = '', language = '', marks = ''] = FENCE.exec(text) ?? []
    if (ticks === '') {
      if (text.trim() === '') continue
      setup = SETUP.exec(text)?.[1]
      above = undefined
      continue
    }
    const start = at + 1
    const closing = new RegExp(`^\\s*${ticks}\\s*$`)
    do at++
    while (at < lines.length && !closing.test(lines[at] as string))
    if (at === lines.length) throw new Error(`${document}:${start}: the fence is never closed`)
    const known = LANGUAGES[language.toLowerCase()]
    const body = lines.slice(start, at).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line))
    if (above !== undefined && language === 'text' && !/\bvaries\b/.test(marks)) above.output = body.join('\n')
    above = undefined
    if (known !== undefined) {
      above = {
        name: `${document}:${start + 1}`,
        document,
        language: known,
        noRun: /\bno-run\b/.test(marks),
        setup,
        code: '\n'.repeat(start) + body.join('\n'),
        output: undefined,
      }
      blocks.push(above)
    }
    setup = undefined
  }
  return blocks
}

/** Whether nothing in `code` could run: interfaces, types, `declare`, imports and exports of types. */
export function isTypesOnly(code: string): boolean {
  return ts
    .createSourceFile('block.ts', code, ts.ScriptTarget.ES2023, true)
    .statements.every(
      (statement) =>
        ts.isInterfaceDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement) ||
        (ts.isImportDeclaration(statement) && statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) ||
        (ts.isExportDeclaration(statement) && statement.isTypeOnly) ||
        (ts.isFunctionDeclaration(statement) && statement.body === undefined) ||
        (ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword)),
    )
}
