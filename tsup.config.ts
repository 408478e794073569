import { defineConfig, type Options } from 'tsup'
import { onDemand } from './scripts/on-demand.ts'

/** `--env.JS_ONLY` skips the types: what quick runs need is there in a second. */
export default defineConfig(({ env }) => {
  const shared: Options = {
    format: ['esm', 'cjs'],
    target: 'node20',
    platform: 'node',
    // Without it the CommonJS build of each entry would carry its own copy of every class.
    splitting: true,
    // Loading them whole costs more than all of inmesh; of what is bundled only the part that is used remains.
    noExternal: ['valibot', 'lru-cache', 're2js'],
    // Twelve milliseconds that only a regular expression in a policy is worth, and one and the platform's `performance` for a cache.
    esbuildPlugins: [onDemand('re2js', ['RE2JS']), onDemand('lru-cache', ['LRUCache'])],
    treeshake: true,
    sourcemap: true,
    shims: false,
    esbuildOptions(options) {
      // Half of what an import costs is reading text. Names stay, for stacks and for whoever looks in; the maps have the sources.
      options.minifyWhitespace = true
      options.minifySyntax = true
    },
    // tsup hands the type builder a `baseUrl`, which TypeScript 6 calls deprecated.
    dts: env?.['JS_ONLY'] === undefined && { compilerOptions: { ignoreDeprecations: '6.0' } },
  }
  return [
    { ...shared, clean: true, entry: entries('index', 'resilience/index', 'balancing/index', 'security/index') },
    // Apart, since every further entry cuts what they have in common into more files, and each file costs an import a third of a millisecond.
    { ...shared, clean: false, entry: entries('discovery/index', 'testing/index', 'cli/main') },
  ]
})

function entries(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, `src/${name}.ts`]))
}
