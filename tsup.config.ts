import { defineConfig } from 'tsup'

const library = {
  entry: ['src/index.ts', 'src/resilience/index.ts', 'src/balancing/index.ts'],
  format: ['esm', 'cjs'] as ('esm' | 'cjs')[],
  target: 'node20',
  platform: 'node' as const,
  // Without it the CommonJS build of each entry would carry its own copy of every class.
  splitting: true,
  treeshake: true,
  sourcemap: true,
  shims: false,
}

/** `--env.JS_ONLY` skips the types: what `npm start` and quick runs need is there in a second. */
export default defineConfig(({ env }) => ({ ...library, clean: true, dts: env?.['JS_ONLY'] === undefined }))
