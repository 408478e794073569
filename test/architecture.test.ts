import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')

interface SourceFile {
  /** Path below src, with slashes. */
  path: string
  text: string
}

/** The rooms, from the bottom up; what is not listed is a room of its own on the given floor. */
const FLOORS: readonly (readonly string[])[] = [
  ['core'],
  ['model'],
  ['discovery', 'balancing', 'resilience', 'security', 'health', 'routing', 'observability'],
  ['plan', 'config'],
  ['outbound', 'inbound'],
  [
    'middleware',
    'config/xds',
    'config/smi',
    'config/gateway-api',
    'config/istio',
    'control-plane',
    'federation',
    'interception',
    'testing',
  ],
  ['mesh.ts', 'index.ts', 'cli'],
]

function readAll(directory = SRC): SourceFile[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const full = join(entry.parentPath, entry.name)
      return { path: relative(SRC, full), text: readFileSync(full, 'utf8') }
    })
}

function parse({ path, text }: SourceFile): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
}

/** What a file imports or re-exports, `import()` included. */
function importsOf(file: SourceFile): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined)
      found.push((node.moduleSpecifier as ts.StringLiteral).text)
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      found.push((node.arguments[0] as ts.StringLiteral).text)
    ts.forEachChild(node, visit)
  }
  visit(parse(file))
  return found
}

function localImports(file: SourceFile): string[] {
  return importsOf(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => join(dirname(file.path), specifier))
}

function roomOf(path: string): { room: string; floor: number } {
  let best = { room: '', floor: -1 }
  for (const [floor, rooms] of FLOORS.entries()) {
    for (const room of rooms) if ((path === room || path.startsWith(`${room}/`)) && room.length > best.room.length) best = { room, floor }
  }
  return best
}

// ---- the rules; each gives the places that break it -----------------------------------------------------

function upwardImports(files: SourceFile[]): string[] {
  return files.flatMap((file) => {
    const own = roomOf(file.path)
    if (own.floor < 0) return [`${file.path}: in no room`]
    return localImports(file).flatMap((target) => {
      const other = roomOf(target)
      if (own.room === other.room || other.floor < own.floor || own.floor === FLOORS.length - 1) return []
      return [`${file.path} → ${target}: ${other.floor === own.floor ? 'a sibling' : 'upwards'}`]
    })
  })
}

function cycles(files: SourceFile[]): string[] {
  const graph = new Map(files.map((file) => [file.path, localImports(file)]))
  const state = new Map<string, 'open' | 'done'>()
  const found: string[] = []
  const walk = (path: string, trail: string[]): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      return
    }
    state.set(path, 'open')
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of graph.keys()) walk(path, [])
  return found
}

const THIRD_PARTY: Readonly<Record<string, readonly RegExp[]>> = {
  undici: [/^outbound\/undici\.ts$/],
  opossum: [/^resilience\//],
  'p-retry': [/^core\/loop\.ts$/, /^resilience\/execute\.ts$/],
  valibot: [/^config\//, /^model\//],
}

function foreignImports(files: SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file)
      .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .filter((specifier) => !(THIRD_PARTY[specifier] ?? []).some((allowed) => allowed.test(file.path)))
      .map((specifier) => `${file.path} imports ${specifier}`),
  )
}

function longFiles(files: SourceFile[]): string[] {
  return files
    .filter(({ text }) => text.split('\n').length - 1 > 400)
    .map(({ path, text }) => `${path}: ${text.split('\n').length - 1} lines`)
}

/** Globals that only one file may touch, and why. */
const OWNED_GLOBALS: readonly (readonly [name: RegExp, owner: RegExp, reason: string])[] = [
  [
    /^(Date|performance|setTimeout|setInterval|setImmediate|clearTimeout|clearInterval)$/,
    /^core\/clock\.ts$/,
    'time comes from core/clock',
  ],
  [/^(fetch|Response|Request|Headers|FormData)$/, /^outbound\/platform\.ts$/, "the platform's fetch classes are touched in one file"],
  [/^console$/, /^cli\//, 'the logger and events speak'],
  [/^process$/, /^cli\//, 'the library leaves the process alone'],
]

function strayGlobals(files: SourceFile[]): string[] {
  const found: string[] = []
  for (const file of files) {
    const visit = (node: ts.Node): void => {
      if (ts.isTypeNode(node)) return
      const named = ts.isIdentifier(node) && !isMemberName(node) ? node.text : undefined
      if (named !== undefined) {
        for (const [name, owner, reason] of OWNED_GLOBALS) {
          // `Date.parse` reads a text and no clock.
          const harmless = named === 'Date' && ts.isPropertyAccessExpression(node.parent) && node.parent.name.text === 'parse'
          if (name.test(named) && !owner.test(file.path) && !harmless) found.push(`${file.path}: ${named} (${reason})`)
        }
      }
      if (ts.isPropertyAccessExpression(node) && node.getText() === 'Math.random' && file.path !== 'core/random.ts')
        found.push(`${file.path}: Math.random (randomness comes from core/random)`)
      ts.forEachChild(node, visit)
    }
    visit(parse(file))
  }
  return found
}

function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node
  return (
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isMethodDeclaration(parent) && parent.name === node) ||
    (ts.isMethodSignature(parent) && parent.name === node) ||
    (ts.isPropertyAssignment(parent) && parent.name === node) ||
    (ts.isPropertySignature(parent) && parent.name === node) ||
    (ts.isPropertyDeclaration(parent) && parent.name === node)
  )
}

function moduleState(files: SourceFile[]): string[] {
  return files.flatMap((file) =>
    parse(file)
      .statements.filter((statement): statement is ts.VariableStatement => ts.isVariableStatement(statement))
      .filter(({ declarationList }) => (declarationList.flags & ts.NodeFlags.Const) === 0)
      .map((statement) => `${file.path}: ${statement.getText().slice(0, 60)}`),
  )
}

function badNames(files: SourceFile[]): string[] {
  return files
    .filter(
      ({ path }) => !/^(?:[a-z0-9-]+\/)*[a-z0-9-]+\.ts$/.test(path) || /(?:^|\/)(?:utils?|helpers?|common|misc)(?:\.ts|\/)/.test(path),
    )
    .map(({ path }) => path)
}

function unfinished(files: SourceFile[]): string[] {
  return files.filter(({ text }) => /\b(?:TODO|FIXME|XXX)\b|not implemented/i.test(text)).map(({ path }) => path)
}

function undocumented(files: SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const found: string[] = []
  for (const index of files.filter(({ path }) => path.endsWith('index.ts'))) {
    for (const statement of parse(index).statements) {
      if (
        !ts.isExportDeclaration(statement) ||
        statement.moduleSpecifier === undefined ||
        statement.exportClause === undefined ||
        !ts.isNamedExports(statement.exportClause)
      )
        continue
      const target = byPath.get(join(dirname(index.path), (statement.moduleSpecifier as ts.StringLiteral).text))
      for (const { name, propertyName } of statement.exportClause.elements) {
        const wanted = (propertyName ?? name).text
        if (target === undefined || !hasDocstring(target, wanted)) found.push(`${index.path}: ${wanted} has no docstring`)
      }
    }
  }
  return found
}

function hasDocstring(file: SourceFile, name: string): boolean {
  return parse(file).statements.some((statement) => {
    const names = ts.isVariableStatement(statement)
      ? statement.declarationList.declarations.map(({ name: each }) => each.getText())
      : [(statement as { name?: ts.Identifier }).name?.text]
    return names.includes(name) && ts.getJSDocCommentsAndTags(statement).length > 0
  })
}

function foreignWords(files: SourceFile[]): string[] {
  return files
    .filter(({ path }) => !path.startsWith('config/xds') && !path.startsWith('control-plane'))
    .flatMap((file) => {
      const words: string[] = []
      const visit = (node: ts.Node): void => {
        if (ts.isIdentifier(node) && /cluster|upstream/i.test(node.text)) words.push(`${file.path}: ${node.text}`)
        ts.forEachChild(node, visit)
      }
      visit(parse(file))
      return words
    })
}

const files = readAll()
const sample = (path: string, text: string): SourceFile => ({ path, text })

describe('the architecture', () => {
  /** Each rule with a small offence that it must find: a rule that finds nothing anywhere proves nothing. */
  const rules: readonly (readonly [name: string, rule: (files: SourceFile[]) => string[], offence: SourceFile[]])[] = [
    [
      'imports point down, siblings never see each other',
      upwardImports,
      [sample('balancing/a.ts', `import { b } from '../resilience/b.ts'`)],
    ],
    ['no room knows what is above it', upwardImports, [sample('core/a.ts', `import type { b } from '../plan/b.ts'`)]],
    ['no import cycles', cycles, [sample('core/a.ts', `import './b.ts'`), sample('core/b.ts', `import './a.ts'`)]],
    ['third parties stay in their rooms', foreignImports, [sample('plan/a.ts', `const u = import('undici')`)]],
    ['no file over 400 lines', longFiles, [sample('core/a.ts', '\n'.repeat(402))]],
    ['globals have one owner', strayGlobals, [sample('core/a.ts', 'const now = Date.now()')]],
    ['randomness has one owner', strayGlobals, [sample('core/a.ts', 'const x = Math.random()')]],
    ['no state in modules', moduleState, [sample('core/a.ts', 'let count = 0')]],
    ['file names say what is inside', badNames, [sample('core/utils.ts', '')]],
    ['nothing is left unfinished', unfinished, [sample('core/a.ts', `// ${'TO'}${'DO'}: later`)]],
    [
      'every public name is explained',
      undocumented,
      [sample('index.ts', `export { a } from './core/a.ts'`), sample('core/a.ts', 'export const a = 1')],
    ],
    ['one word per thing', foreignWords, [sample('core/a.ts', 'const cluster = 1')]],
  ]

  it.each(rules)('%s', (_, rule) => expect(rule(files)).toEqual([]))
  it.each(rules)('the rule works: %s', (_, rule, offence) => expect(rule(offence)).not.toEqual([]))

  it('files stay small', () => {
    const lines = files.map(({ text }) => text.split('\n').length - 1).sort((a, b) => a - b)
    expect(lines[Math.floor(lines.length / 2)]).toBeLessThanOrEqual(100)
    expect(lines[Math.floor(lines.length * 0.9)]).toBeLessThanOrEqual(250)
  })

  it('npm undici lends no fetch class', () => {
    const names = /\b(?:fetch|Response|Request|Headers|FormData)\b/
    const loader = files.find(({ path }) => path === 'outbound/undici.ts')
    expect(loader?.text.match(/from 'undici'/)).toBeNull()
    expect(names.test((loader?.text.match(/const \{([^}]*)\} = exported/)?.[1] ?? '') as string)).toBe(false)
  })
})
