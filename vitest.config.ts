import process from 'node:process'
import { defineConfig } from 'vitest/config'

/** Entry of another undici than the installed one, when `test/matrix` runs the tests. */
const otherUndici = process.env['INMESH_UNDICI']

/** No module has state, so tests can share theirs: loading them anew for each file takes longer than running most of them. */
const WITHIN = ['test/unit/**/*.test.ts', 'test/properties/**/*.test.ts']
const OVER_SOCKETS = ['test/scenario/**/*.test.ts']
/** They look at the timers of their process, or have little time. */
const APART = ['test/properties/close.test.ts', 'test/unit/resilience/execution.test.ts']
/** They run with the integration tests and in the matrix, so that `npm test` takes less than three minutes. */
const LONGER = [
  'test/conformance/**/*.test.ts',
  'test/scenario/{file-source,health-checks,hedging,http2,http2-goaway,http2-limits,limits-storm,pushback,shortages,storm}.test.ts',
  'test/scenario/inbound/{chain,retried}.test.ts',
]

/** `vitest run` is the suite of `npm test`; `vitest run --mode integration` talks to real servers. */
export default defineConfig(({ mode }) => {
  const integration = mode === 'integration'
  const others = [
    'node_modules/**',
    ...(integration ? [] : ['test/integration/**']),
    ...(integration || otherUndici !== undefined ? [] : LONGER),
    ...(otherUndici === undefined ? ['test/matrix/**'] : []),
  ]
  return {
    ...(otherUndici === undefined ? {} : { resolve: { alias: [{ find: /^undici$/, replacement: otherUndici }] } }),
    test: {
      projects: integration
        ? [
            {
              extends: true,
              test: {
                name: 'integration',
                include: ['test/integration/**/*.test.ts', ...LONGER],
                testTimeout: 120_000,
                hookTimeout: 120_000,
              },
            },
          ]
        : [
            { extends: true, test: { name: 'unit', include: WITHIN, exclude: APART, isolate: false } },
            { extends: true, test: { name: 'scenario', include: OVER_SOCKETS, exclude: others, isolate: false } },
            {
              extends: true,
              test: { name: 'apart', include: ['test/{*,conformance/**/*,matrix/**/*}.test.ts', ...APART], exclude: others },
            },
          ],
      pool: 'forks',
      // Servers, clients and clocks share the cores: more workers than cores make timings lie.
      maxWorkers: 2,
      maxConcurrency: 3,
      testTimeout: 20_000,
      hookTimeout: 20_000,
      // A mistake in a promise must fail the run, also when no test waits for it.
      dangerouslyIgnoreUnhandledErrors: false,
      // A focused test left behind would make everything else silently green.
      allowOnly: false,
      reporters: ['default'],
    },
  }
})
