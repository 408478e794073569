import { expect, it } from 'vitest'
import { unknownKey } from '../../../src/core/problem.ts'

it.each([
  ['timeuot', 'timeout'],
  ['retries', 'retry'],
  ['endpoint', 'endpoints'],
  ['balancer', 'balancing'],
  ['url', undefined],
  ['limiter', 'limits'],
  ['time', 'timeout'],
  ['panic', 'panicPercent'],
  ['healthchecks', 'healthCheck'],
])('%s: %s is meant', (written, meant) => {
  const known = ['timeout', 'retry', 'endpoints', 'balancing', 'limits', 'panicPercent', 'healthCheck']
  expect(unknownKey(written, known)).toBe(meant === undefined ? 'unknown key' : `unknown key, did you mean "${meant}"?`)
})
