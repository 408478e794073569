import { build } from 'esbuild'
import type { Options } from 'tsup'

/**
 * A plugin of esbuild that bundles a package as text, which is compiled at the first use of one of its exports, and not when somebody
 * imports what may need it: synchronously, which `import()` cannot, and with nothing left to find for a bundler, which `createRequire`
 * has. A text costs nothing to load; the code in it costs milliseconds that few processes have a use for.
 * @param names classes: static members and `new` can be used, `extends` and `instanceof` cannot
 */
export function onDemand(name: string, names: readonly string[]): NonNullable<Options['esbuildPlugins']>[number] {
  const filter = new RegExp(`^${name}$`)
  return {
    name: `on-demand:${name}`,
    setup({ onResolve, onLoad }) {
      onResolve({ filter }, ({ kind }) => (kind === 'import-statement' ? { path: name, namespace: 'on-demand' } : undefined))
      onLoad({ filter, namespace: 'on-demand' }, async () => ({
        contents: [
          `const TEXT = ${JSON.stringify(await textOf(name))}`,
          'let loaded',
          'const load = () => {',
          '  if (loaded !== undefined) return loaded',
          '  const module = { exports: {} }',
          '  const { getBuiltinModule } = globalThis.process',
          `  const run = getBuiltinModule('node:vm').compileFunction(TEXT, ['module', 'exports', 'require'], { filename: 'inmesh/${name}' })`,
          '  run(module, module.exports, getBuiltinModule)',
          '  return (loaded = module.exports)',
          '}',
          ...names.map(lateClass),
        ].join('\n'),
        loader: 'js',
      }))
    },
  }
}

/** The whole package as one small piece of CommonJS. */
async function textOf(name: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `module.exports = require('${name}')`, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    minify: true,
  })
  return outputFiles[0]?.text ?? ''
}

function lateClass(name: string): string {
  return `export const ${name} = new Proxy(class {}, {
    get(_, key) {
      const value = load().${name}[key]
      return typeof value === 'function' ? value.bind(load().${name}) : value
    },
    construct(_, args) {
      return new (load().${name})(...args)
    },
  })`
}
