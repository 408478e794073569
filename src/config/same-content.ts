import { isDeepStrictEqual } from '../core/deep-equal.ts'
import { isPlainObject } from './schema/blocks.ts'

/**
 * Whether two values say the same. Nearly all of configuration is plain data, of which this needs a tenth of the time of a general
 * comparison, and ends at the first difference; what is not plain is left to that.
 */
export function sameContent(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) return Object.is(one, other)
  if (Array.isArray(one) && Array.isArray(other)) {
    if (one.length !== other.length) return false
    for (let index = 0; index < one.length; index++) if (!sameContent(one[index], other[index])) return false
    return true
  }
  if (!isPlainObject(one) || !isPlainObject(other)) return isDeepStrictEqual(one, other)
  let keys = 0
  for (const key in one) {
    keys++
    if (!Object.hasOwn(other, key) || !sameContent(one[key], other[key])) return false
  }
  for (const _ in other) keys--
  return keys === 0
}
