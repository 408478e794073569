import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/integration/**', 'test/soak/**', 'test/matrix/**', 'node_modules/**'],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // A mistake in a promise must fail the run, also when no test waits for it.
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['dot'],
  },
})
