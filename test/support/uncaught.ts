import process from 'node:process'
import { afterEach, beforeEach, expect } from 'vitest'

/** Every test of the file fails when something is thrown or rejected that nobody catches. Gives the list of what was. */
export function nothingUncaught(): readonly unknown[] {
  const failures: unknown[] = []
  const failed = (error: unknown): void => void failures.push(error)
  beforeEach(() => {
    failures.length = 0
    process.on('uncaughtException', failed)
    process.on('unhandledRejection', failed)
  })
  afterEach(() => {
    process.off('uncaughtException', failed)
    process.off('unhandledRejection', failed)
    expect(failures).toEqual([])
  })
  return failures
}
