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
  ['composition'],
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

/** What a file imports or re-exports: types, `import()` and `import('…')` in types included. */
function importsOf(file: SourceFile): string[] {
  const found: string[] = []
  const keep = (specifier: ts.Node | undefined): void => {
    // What cannot be read here cannot be proved, and is in nobody's list of what is allowed.
    found.push(specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier.text : `(computed) ${specifier?.getText()}`)
  }
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) keep(node.moduleSpecifier)
    if (ts.isImportTypeNode(node)) keep(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument)
    if (ts.isCallExpression(node) && (node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.getText() === 'require'))
      keep(node.arguments[0])
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
  'lru-cache': [/^discovery\//, /^resilience\//, /^security\//],
  jose: [/^security\/jwt\//],
  re2js: [/^core\/safe-pattern\.ts$/],
  'xxhash-wasm': [/^balancing\/xxhash64\.ts$/],
  valibot: [/^config\//, /^model\//],
  yaml: [/^config\/file\//],
}

function foreignImports(files: SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file)
      .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .filter((specifier) => !(THIRD_PARTY[specifier] ?? []).some((allowed) => allowed.test(file.path)))
      .map((specifier) => `${file.path} imports ${specifier}`),
  )
}

/** Modules of Node that would lead around an owner of the list below. */
const OWNED_MODULES: readonly (readonly [name: RegExp, owner: RegExp, reason: string])[] = [
  [/^(?:node:)?(?:timers(?:\/promises)?|perf_hooks)$/, /^core\/clock\.ts$/, 'time comes from core/clock'],
  [/^(?:node:)?(?:process|console|repl)$/, /^cli\//, 'the library leaves the process alone'],
  [/^(?:node:)?module$/, /^outbound\/undici\.ts$/, 'modules are loaded by literal imports, so that bundlers see them'],
  [/^(?:node:)?(?:cluster|child_process|worker_threads)$/, /^(?:cli|testing)\//, 'the library starts nothing'],
]

function strayModules(files: SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file).flatMap((specifier) =>
      OWNED_MODULES.filter(([name, owner]) => name.test(specifier) && !owner.test(file.path)).map(
        ([, , reason]) => `${file.path} imports ${specifier} (${reason})`,
      ),
    ),
  )
}

/** What an import of inmesh may read of Node. An import statement takes all that a module offers: `node:fs` alone brings 30 more. */
const CHEAP_MODULES = /^node:(?:async_hooks|diagnostics_channel|events|path|querystring|url)$/

function dearModules(files: SourceFile[]): string[] {
  return files
    .filter(({ path }) => !path.startsWith('cli/'))
    .flatMap((file) =>
      parse(file)
        .statements.filter(ts.isImportDeclaration)
        .filter(({ importClause }) => !importClause?.isTypeOnly && !namesOnlyTypes(importClause?.namedBindings))
        .map(({ moduleSpecifier }) => (moduleSpecifier as ts.StringLiteral).text)
        .filter((name) => name.startsWith('node:') && !CHEAP_MODULES.test(name))
        .map((name) => `${file.path} imports ${name} (builtinModule loads it at the first use)`),
    )
}

function namesOnlyTypes(bindings: ts.NamedImportBindings | undefined): boolean {
  return bindings !== undefined && ts.isNamedImports(bindings) && bindings.elements.every(({ isTypeOnly }) => isTypeOnly)
}

/** Objects made by npm undici's fetch are not `instanceof` the platform's. */
function undiciFetchNames(files: SourceFile[]): string[] {
  const classes = /^(?:fetch|Response|Request|Headers|FormData)$/
  return files.flatMap((file) => {
    const found: string[] = []
    const tell = (name: string): void => {
      if (classes.test(name)) found.push(`${file.path} takes ${name} from undici`)
    }
    const fromUndici = (node: ts.ImportDeclaration | ts.ExportDeclaration): boolean =>
      node.moduleSpecifier !== undefined && (node.moduleSpecifier as ts.StringLiteral).text === 'undici'
    const visit = (node: ts.Node): void => {
      if (ts.isImportSpecifier(node) && fromUndici(node.parent.parent.parent as ts.ImportDeclaration))
        tell((node.propertyName ?? node.name).text)
      if (ts.isExportSpecifier(node) && fromUndici(node.parent.parent)) tell((node.propertyName ?? node.name).text)
      // In the one file that loads undici every such name could only be undici's.
      if (file.path === 'outbound/undici.ts') {
        if (ts.isBindingElement(node)) tell((node.propertyName ?? node.name).getText())
        if (ts.isPropertyAccessExpression(node) && node.expression.getText() !== 'globalThis') tell(node.name.text)
        if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) tell(node.argumentExpression.text)
      }
      ts.forEachChild(node, visit)
    }
    visit(parse(file))
    return found
  })
}

/** What is not erasable, or needs the platform's own class machinery where plain values do. */
function forbiddenSyntax(files: SourceFile[]): string[] {
  return files.flatMap((file) => {
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (ts.isEnumDeclaration(node)) found.push(`${file.path}: enum ${node.name.text}`)
      if (ts.isModuleDeclaration(node) && !(ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword))
        found.push(`${file.path}: namespace ${node.name.getText()}`)
      if (ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent))
        found.push(`${file.path}: parameter property ${node.name.getText()}`)
      if (ts.isExportAssignment(node)) found.push(`${file.path}: default export`)
      if (ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword))
        found.push(`${file.path}: default export`)
      if (ts.isInterfaceDeclaration(node) && /^I[A-Z][a-z]/.test(node.name.text)) found.push(`${file.path}: interface ${node.name.text}`)
      ts.forEachChild(node, visit)
    }
    visit(parse(file))
    return found
  })
}

function longFiles(files: SourceFile[]): string[] {
  return files
    .filter(({ text }) => text.split('\n').length - 1 > 400)
    .map(({ path, text }) => `${path}: ${text.split('\n').length - 1} lines`)
}

/** Globals that only one file may touch, and why. */
const OWNED_GLOBALS: readonly (readonly [name: RegExp, owner: RegExp, reason: string])[] = [
  [
    /^(Date|performance|setTimeout|setInterval|setImmediate|clearTimeout|clearInterval|clearImmediate)$/,
    /^core\/clock\.ts$/,
    'time comes from core/clock',
  ],
  [/^fetch$/, /^outbound\/(?:platform|install)\.ts$/, "the platform's fetch is read in one file, and replaced on demand in one"],
  [/^(Response|Request|Headers|FormData)$/, /^outbound\/platform\.ts$/, "the platform's fetch classes are touched in one file"],
  [/^console$/, /^cli\//, 'the logger and events speak'],
  [/^process$/, /^(?:cli\/|core\/builtin-module\.ts$)/, 'the library leaves the process alone'],
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
      // `globalThis.setTimeout` is the same thing by its long name.
      if (ts.isPropertyAccessExpression(node) && /^(?:globalThis|global)$/.test(node.expression.getText())) {
        for (const [name, owner, reason] of OWNED_GLOBALS)
          if (name.test(node.name.text) && !owner.test(file.path)) found.push(`${file.path}: ${node.getText()} (${reason})`)
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
      if (!ts.isExportDeclaration(statement)) {
        if (namesOf(statement).length > 0 && isExported(statement) && !isExplained(statement))
          found.push(`${index.path}: ${namesOf(statement)[0]} has no docstring`)
        continue
      }
      if (statement.moduleSpecifier === undefined) continue
      const target = byPath.get(join(dirname(index.path), (statement.moduleSpecifier as ts.StringLiteral).text))
      const declared = target === undefined ? [] : [...parse(target).statements]
      const wanted =
        statement.exportClause === undefined
          ? declared.filter(isExported).flatMap(namesOf)
          : ts.isNamedExports(statement.exportClause)
            ? statement.exportClause.elements.map(({ name, propertyName }) => (propertyName ?? name).text)
            : []
      for (const name of wanted) {
        if (!declared.some((each) => namesOf(each).includes(name) && isExplained(each)))
          found.push(`${target?.path ?? index.path}: ${name}, exported by ${index.path}, has no docstring`)
      }
    }
  }
  return found
}

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.getText())
  const { name } = statement as { name?: ts.Identifier }
  return name === undefined ? [] : [name.text]
}

function isExported(statement: ts.Statement): boolean {
  return ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
}

function isExplained(statement: ts.Statement): boolean {
  return ts.getJSDocCommentsAndTags(statement).length > 0
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
    ['an import in a type is an import', upwardImports, [sample('core/a.ts', `type B = import('../plan/b.ts').B`)]],
    ['no import cycles', cycles, [sample('core/a.ts', `import './b.ts'`), sample('core/b.ts', `import './a.ts'`)]],
    ['third parties stay in their rooms', foreignImports, [sample('plan/a.ts', `const u = import('undici')`)]],
    ['what is imported can be read', foreignImports, [sample('plan/a.ts', 'await import(name)')]],
    ['no file over 400 lines', longFiles, [sample('core/a.ts', '\n'.repeat(402))]],
    ['globals have one owner', strayGlobals, [sample('core/a.ts', 'const now = Date.now()')]],
    ['a global is the same by its long name', strayGlobals, [sample('core/a.ts', 'globalThis.setTimeout(run)')]],
    ['randomness has one owner', strayGlobals, [sample('core/a.ts', 'const x = Math.random()')]],
    ['no way around the owners', strayModules, [sample('core/a.ts', `import { setTimeout } from 'node:timers/promises'`)]],
    ['an import reads little of Node', dearModules, [sample('core/a.ts', `import { statSync } from 'node:fs'`)]],
    ['undici lends no fetch class', undiciFetchNames, [sample('outbound/a.ts', `import { type Response } from 'undici'`)]],
    ['its loader takes none either', undiciFetchNames, [sample('outbound/undici.ts', 'const { Headers } = module')]],
    ['no enums', forbiddenSyntax, [sample('core/a.ts', 'export enum A { B }')]],
    ['no parameter properties', forbiddenSyntax, [sample('core/a.ts', 'class A { constructor(readonly b: number) {} }')]],
    ['no default exports', forbiddenSyntax, [sample('core/a.ts', 'export default function a() {}')]],
    ['no namespaces and no I before a name', forbiddenSyntax, [sample('core/a.ts', 'interface IGate {}')]],
    ['no state in modules', moduleState, [sample('core/a.ts', 'let count = 0')]],
    ['file names say what is inside', badNames, [sample('core/utils.ts', '')]],
    ['nothing is left unfinished', unfinished, [sample('core/a.ts', `// ${'TO'}${'DO'}: later`)]],
    [
      'every public name is explained',
      undocumented,
      [sample('index.ts', `export { a } from './core/a.ts'`), sample('core/a.ts', 'export const a = 1')],
    ],
    [
      'what is exported with a star is explained too',
      undocumented,
      [sample('index.ts', `export type * from './core/a.ts'`), sample('core/a.ts', 'export interface A {}')],
    ],
    ['one word per thing', foreignWords, [sample('core/a.ts', 'const cluster = 1')]],
  ]

  const each = rules.filter(([, rule], at) => rules.findIndex(([, other]) => other === rule) === at)
  it.each(each)('%s', (_, rule) => expect(rule(files)).toEqual([]))
  it.each(rules)('the rule works: %s', (_, rule, offence) => expect(rule(offence)).not.toEqual([]))

  it('files stay small', () => {
    const lines = files.map(({ text }) => text.split('\n').length - 1).sort((a, b) => a - b)
    expect(lines[Math.floor(lines.length / 2)]).toBeLessThanOrEqual(100)
    expect(lines[Math.floor(lines.length * 0.9)]).toBeLessThanOrEqual(250)
  })
})
