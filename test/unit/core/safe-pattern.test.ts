import { describe, expect, it } from 'vitest'
import { type SafePattern, safePattern } from '../../../src/core/safe-pattern.ts'

const compiled = (text: string, options = {}): SafePattern => {
  const pattern = safePattern(text, options)
  if ('problem' in pattern) throw new Error(pattern.problem)
  return pattern
}

describe('a safe pattern', () => {
  it('matches the whole text, or finds a part of it', () => {
    const pattern = compiled('a|bc')
    expect([pattern.matches('bc'), pattern.matches('abc'), pattern.finds('xbcx'), pattern.finds('x'), pattern.text]).toEqual([
      true,
      false,
      true,
      false,
      'a|bc',
    ])
  })

  it('is used again and again without remembering anything', () => {
    const pattern = compiled('\\d+')
    expect(['1', 'x', '22', '', '3'].map((text) => pattern.matches(text))).toEqual([true, false, true, false, true])
  })

  it('may disregard case', () => expect(compiled('ab', { ignoreCase: true }).matches('aB')).toBe(true))

  it('says what cannot be used', () => {
    for (const text of ['(', '(?=a)', '(?!a)', '(?<=a)b', '(a)\\1', 'a{1001}', '[b-a]', '*', 'x'.repeat(2_049)])
      expect(safePattern(text), text).toHaveProperty('problem')
  })

  it('takes time that grows with the text alone', () => {
    const text = `${'a'.repeat(5_000)}!`
    for (const pattern of ['(a+)+', '(a|a)*', '(a*)*b', '(.*a){10}b']) expect(compiled(pattern).matches(text), pattern).toBe(false)
  })
})
