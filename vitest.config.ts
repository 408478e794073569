import process from 'node:process'
import { defineConfig } from 'vitest/config'

/** Entry of another undici than the installed one, when `test/matrix` runs the tests. */
const otherUndici = process.env['INMESH_UNDICI']

/** `vitest run` is the suite of `npm test`; `vitest run --mode integration` talks to real servers. */
export default defineConfig(({ mode }) => ({
  ...(otherUndici === undefined ? {} : { resolve: { alias: [{ find: /^undici$/, replacement: otherUndici }] } }),
  test: {
    include: mode === 'integration' ? ['test/integration/**/*.test.ts'] : ['test/**/*.test.ts'],
    exclude: [
      'node_modules/**',
      ...(mode === 'integration' ? [] : ['test/integration/**']),
      ...(otherUndici === undefined ? ['test/matrix/**'] : []),
    ],
    pool: 'forks',
    // Servers, clients and clocks share the cores: more workers than cores make timings lie.
    maxWorkers: 2,
    maxConcurrency: 3,
    testTimeout: mode === 'integration' ? 120_000 : 20_000,
    hookTimeout: mode === 'integration' ? 120_000 : 20_000,
    // A mistake in a promise must fail the run, also when no test waits for it.
    dangerouslyIgnoreUnhandledErrors: false,
    // A focused test left behind would make everything else silently green.
    allowOnly: false,
    reporters: ['default'],
  },
}))
