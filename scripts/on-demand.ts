import { readFile } from 'node:fs/promises'
import { transform } from 'esbuild'
import type { Options } from 'tsup'

/**
 * A plugin of esbuild that bundles a package so that its code runs at the first use of one of its exports, and not when somebody
 * imports what may need it: synchronously, which `import()` cannot, and in sight of every bundler, which `createRequire` is not.
 * @param names classes, of which only static members can be used
 */
export function onDemand(name: string, names: readonly string[]): NonNullable<Options['esbuildPlugins']>[number] {
  const filter = new RegExp(`^${name}$`)
  return {
    name: `on-demand:${name}`,
    setup(build) {
      build.onResolve({ filter }, ({ kind }) => (kind === 'import-statement' ? { path: name, namespace: 'on-demand' } : undefined))
      build.onLoad({ filter, namespace: 'on-demand' }, () => ({
        contents: ['let loaded', `const load = () => (loaded ??= require('${name}'))`, ...names.map(lateClass)].join('\n'),
        resolveDir: import.meta.dirname,
        loader: 'js',
      }))
      // What is parsed at every start and run at few of them is made small.
      build.onLoad({ filter: new RegExp(`node_modules/${name}/`) }, async ({ path }) => {
        const { code } = await transform(await readFile(path, 'utf8'), { minify: true, keepNames: true, target: 'node20' })
        return { contents: code, loader: 'js' }
      })
    },
  }
}

function lateClass(name: string): string {
  return `export const ${name} = new Proxy({}, {
    get(_, key) {
      const value = load().${name}[key]
      return typeof value === 'function' ? value.bind(load().${name}) : value
    },
  })`
}
