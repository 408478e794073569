import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { install, run } from './installs.mjs'

const OPTIONS = {
  target: 'ES2022',
  lib: ['ES2022', 'ESNext.Disposable'],
  module: 'NodeNext',
  moduleResolution: 'NodeNext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
}

/** The compiler of a TypeScript version. */
export async function compilerOf(typescript) {
  return join(await install(`typescript-${typescript}`, { typescript: `~${typescript}` }), 'node_modules/typescript/bin/tsc')
}

/** Compiles the consumer with these types of Node and undici; `own`: Node's types bring the undici-types that they ask for. */
export async function typesWith(archive, compiler, { typescript, node, undici, own }) {
  const dependencies = { inmesh: `file:${archive}`, '@types/node': String(node), undici: String(undici) }
  const overrides = own ? {} : { 'undici-types': String(undici) }
  const path = await install(`types-${node}-${undici}${own ? '-own' : ''}`, dependencies, overrides)
  for (const extension of ['mts', 'cts']) cpSync(join(import.meta.dirname, 'consumer/types.ts'), join(path, `types.${extension}`))
  const config = join(path, `tsconfig-${typescript}.json`)
  writeFileSync(config, JSON.stringify({ compilerOptions: OPTIONS, files: ['types.mts', 'types.cts'] }))
  const { code, output, seconds } = await run(process.execPath, [compiler, '--project', config])
  const versions = ['undici', 'undici-types'].map(
    (name) => JSON.parse(readFileSync(join(path, `node_modules/${name}/package.json`), 'utf8')).version,
  )
  const right = versions[0].startsWith(`${undici}.`) && (own || versions[1].startsWith(`${undici}.`))
  return {
    what: `types, TypeScript ${typescript}, @types/node ${node}, undici ${versions[0]}, undici-types ${versions[1]}`,
    seen: right ? (code === 0 ? 'compiles' : `exit code ${code}`) : 'other versions than asked for',
    ok: code === 0 && right,
    seconds,
    output,
  }
}
