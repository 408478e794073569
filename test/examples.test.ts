import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { compile, mustEndWell, place, ROOT, requireBuild } from './support/child-script.ts'

const EXAMPLES = join(ROOT, 'examples')
const names = readdirSync(EXAMPLES).filter((name) => name.endsWith('.ts'))
const MOST_LINES = 60

async function runExample(name: string, text: string): Promise<void> {
  await mustEndWell(place(`examples/${name.replace(/\.ts$/, '.mjs')}`, compile(text, `examples/${name}`)))
}

const isShort = (text: string): boolean => text.trimEnd().split('\n').length <= MOST_LINES

beforeAll(requireBuild)

describe('the examples', () => {
  if (names.length > 0) {
    it.concurrent.each(names)('%s runs to its end', (name) => runExample(name, readFileSync(join(EXAMPLES, name), 'utf8')), 30_000)
    it.each(names)(`%s has at most ${MOST_LINES} lines`, (name) => expect(isShort(readFileSync(join(EXAMPLES, name), 'utf8'))).toBe(true))
  }

  it('one that fails is told', () => expect(runExample('failing.ts', `throw new Error('no' as string)`)).rejects.toThrow('Error: no'))
  it('one that is long is told', () => expect(isShort('a\n'.repeat(61))).toBe(false))
})
