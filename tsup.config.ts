import { defineConfig } from 'tsup'
import { onDemand } from './scripts/on-demand.ts'

/** `--env.JS_ONLY` skips the types: what quick runs need is there in a second. */
export default defineConfig(({ env }) => ({
  entry: [
    'src/index.ts',
    'src/resilience/index.ts',
    'src/balancing/index.ts',
    'src/discovery/index.ts',
    'src/security/index.ts',
    'src/testing/index.ts',
    'src/cli/main.ts',
  ],
  format: ['esm', 'cjs'],
  target: 'node20',
  platform: 'node',
  // Without it the CommonJS build of each entry would carry its own copy of every class.
  splitting: true,
  // Loading them whole costs more than all of inmesh; of what is bundled only the part that is used remains.
  noExternal: ['valibot', 'lru-cache', 're2js'],
  // Twelve milliseconds that only a regular expression in a policy is worth.
  esbuildPlugins: [onDemand('re2js', ['RE2JS'])],
  treeshake: true,
  sourcemap: true,
  shims: false,
  clean: true,
  // tsup hands the type builder a `baseUrl`, which TypeScript 6 calls deprecated.
  dts: env?.['JS_ONLY'] === undefined && { compilerOptions: { ignoreDeprecations: '6.0' } },
}))
