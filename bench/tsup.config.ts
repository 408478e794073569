import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['bench/parts.ts'],
  format: ['esm'],
  target: 'node20',
  outDir: 'node_modules/.cache/inmesh-bench',
  clean: true,
  silent: true,
})
