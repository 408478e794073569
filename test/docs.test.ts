import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'
import { compile, mustEndWell, place, ROOT, requireBuild } from './support/child-script.ts'
import { type DocBlock, docBlocks, isTypesOnly } from './support/doc-blocks.ts'

const SETUPS = join(import.meta.dirname, 'support/doc-setups')

function documents(): string[] {
  const docs = join(ROOT, 'docs')
  const below = existsSync(docs) ? readdirSync(docs, { recursive: true, encoding: 'utf8' }) : []
  return [
    ...(existsSync(join(ROOT, 'README.md')) ? ['README.md'] : []),
    ...below.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ]
}

const blocks = documents().flatMap((name) => docBlocks(name, readFileSync(join(ROOT, name), 'utf8')))

function fileName({ name }: DocBlock, extension: string): string {
  return `docs/${name.replace(/[^\w.-]+/g, '-')}.${extension}`
}

/** Printed text without what differs from run to run and from Node to Node: ports, and where lines are broken. */
function steady(printed: string): string {
  return printed
    .replace(/127\.0\.0\.1:\d+/g, '<endpoint>')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Runs a block as a reader would who pasted it into a file of their own; it must print what the document says below it. */
async function runBlock(block: DocBlock): Promise<void> {
  const { language, code, document, setup, output } = block
  const commonJs = language === 'js' && /\brequire\(/.test(code) && !/^\s*import\s/m.test(code)
  const script = place(fileName(block, commonJs ? 'cjs' : 'mjs'), language === 'ts' ? compile(code, document) : code)
  const { stdout } = await mustEndWell(script, { nodeArgs: setup === undefined ? [] : ['--import', join(SETUPS, `${setup}.mjs`)] })
  if (output !== undefined) expect(steady(stdout)).toBe(steady(output))
}

/** What the compiler says about the blocks, under the options of the project itself. */
function typeErrors(given: readonly DocBlock[]): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const paths = given.map((block) => place(fileName(block, 'mts'), `${block.code}\nexport {}\n`))
  // A reader may leave a name unused that the text around the block goes on to speak of.
  const relaxed = { ...options, noUnusedLocals: false, noUnusedParameters: false }
  const program = ts.createProgram([...paths, join(SETUPS, 'globals.d.ts')], relaxed)
  return ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file !== undefined && paths.includes(file.fileName))
    .map(({ file, start, messageText }) => {
      const { line } = (file as ts.SourceFile).getLineAndCharacterOfPosition(start ?? 0)
      const document = given[paths.indexOf((file as ts.SourceFile).fileName)]?.document
      return `${document}:${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
}

beforeAll(() => {
  requireBuild()
  rmSync(join(ROOT, '.cache/docs'), { recursive: true, force: true })
})

describe('the documents', () => {
  it('README.md has something to run', () => expect(blocks.some(({ name }) => name.startsWith('README.md:'))).toBe(true))

  it('what is not run is types only', () =>
    expect(
      blocks.filter(({ noRun, language, code }) => noRun && (language !== 'ts' || !isTypesOnly(code))).map(({ name }) => name),
    ).toEqual([]))

  it('every setup that a block names exists', () =>
    expect(blocks.filter(({ setup }) => setup !== undefined && !existsSync(join(SETUPS, `${setup}.mjs`))).map(({ name }) => name)).toEqual(
      [],
    ))

  it('every TypeScript block compiles', () => expect(typeErrors(blocks.filter(({ language }) => language === 'ts'))).toEqual([]), 60_000)

  it('every relative link leads somewhere', () =>
    expect(
      documents().flatMap((name) =>
        [...readFileSync(join(ROOT, name), 'utf8').matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)]
          .map(([, target]) => join(ROOT, name, '..', target as string))
          .filter((target) => !existsSync(target))
          .map((target) => `${name} → ${relative(ROOT, target)}`),
      ),
    ).toEqual([]))

  const runnable = blocks.filter(({ noRun }) => !noRun)
  // Processes of their own, which mostly wait.
  if (runnable.length > 0)
    it.concurrent.each(runnable.map((block) => [block.name, block] as const))('%s runs', (_, block) => runBlock(block), 30_000)
})

describe('the check of the documents', () => {
  const markdown = (code: string, mark = 'ts', before = ''): DocBlock[] =>
    docBlocks('sample.md', ['# A', '', before, `\`\`\`${mark}`, code, '```', ''].join('\n'))
  const only = (given: DocBlock[]): DocBlock => given[0] as DocBlock

  it('finds blocks, their place, marks and setups, and nothing in other languages', () => {
    expect(markdown('let a = 1', 'ts', '<!-- setup: orders -->')).toMatchObject([
      { name: 'sample.md:5', document: 'sample.md', setup: 'orders', noRun: false },
    ])
    expect(markdown('interface A {}', 'ts no-run')).toMatchObject([{ noRun: true, setup: undefined }])
    expect(markdown('npm ci', 'sh')).toEqual([])
    expect(() => docBlocks('sample.md', '```ts\nlet a')).toThrow('sample.md:1: the fence is never closed')
  })

  it('knows what a block is said to print', () => {
    const below = (mark: string, between = ''): string | undefined =>
      docBlocks('a.md', ['```ts', 'a()', '```', between, `\`\`\`${mark}`, 'one', 'two', '```'].join('\n'))[0]?.output
    expect([below('text'), below('text varies'), below('sh'), below('text', 'It prints:')]).toEqual([
      'one\ntwo',
      undefined,
      undefined,
      undefined,
    ])
  })

  it('a block that prints something else fails', () =>
    expect(runBlock({ ...only(markdown(`console.log('a')`)), output: 'b' })).rejects.toThrow("expected 'a' to be 'b'"))

  it('a setup is for the block right below it', () =>
    expect(docBlocks('a.md', '<!-- setup: orders -->\ntext\n```ts\n```').map(({ setup }) => setup)).toEqual([undefined]))

  it('knows types from code', () => {
    expect(isTypesOnly(`import type { A } from 'inmesh'\ninterface B { a: A }\ndeclare const c: B\nfunction d(): void`)).toBe(true)
    expect(isTypesOnly('const a = 1')).toBe(false)
    expect(isTypesOnly(`import 'inmesh'`)).toBe(false)
  })

  it('a block that works ends well', () => runBlock(only(markdown(`import { createMesh } from 'inmesh'\nawait createMesh({}).close()`))))

  it('a block reaches what its setup bound', () =>
    runBlock(
      only(
        markdown(
          [
            `import { createMesh } from 'inmesh'`,
            `const mesh = createMesh({ services: { orders: { endpoints: ordersPorts.map((port: number) => '127.0.0.1:' + port) } } })`,
            `const answer = await mesh.fetch('http://orders/v1/orders/42')`,
            `if ((await answer.json() as { id: string }).id !== '42') throw new Error('not the order')`,
            'await mesh.close()',
          ].join('\n'),
          'ts',
          '<!-- setup: orders -->',
        ),
      ),
    ))

  it('CommonJS is run as CommonJS', () => runBlock(only(markdown(`require('inmesh').createMesh({})`, 'js'))))

  it('a block that throws fails at its own line', () =>
    expect(runBlock(only(markdown(`const a: number = 1\nthrow new Error('no ' + a)`)))).rejects.toThrow('sample.md:6'))

  it('a block that does not compile is told', () => {
    expect(typeErrors(markdown(`const a: string = 1`))).toEqual([`sample.md:5: Type 'number' is not assignable to type 'string'.`])
    expect(typeErrors(markdown('const [a] = ordersPorts\nconsole.log(a)'))).toEqual([])
  }, 60_000)
})
