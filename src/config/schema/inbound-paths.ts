import * as v from 'valibot'
import type { HeaderSettings, PathSettings } from '../../model/inbound.ts'
import { integer, oneOf, record } from './blocks.ts'

const written = record(
  {
    normalize: v.optional(oneOf(['none', 'base', 'merge-slashes', 'decode-and-merge-slashes']), 'merge-slashes'),
    escapedSlashes: v.optional(oneOf(['keep', 'reject', 'unescape'])),
    parameters: v.optional(oneOf(['refuse', 'strip', 'keep']), 'refuse'),
    routing: v.optional(oneOf(['exact', 'loose'])),
  },
  [],
  ({ normalize, escapedSlashes, parameters }, report) => {
    if (normalize === 'none' && escapedSlashes === 'unescape') report(['escapedSlashes'], 'nothing is unescaped with normalize: none')
    if (normalize === 'none' && parameters === 'strip') report(['parameters'], 'nothing is cut off with normalize: none')
    if (normalize === 'decode-and-merge-slashes' && escapedSlashes !== undefined && escapedSlashes !== 'unescape')
      report(['escapedSlashes'], `normalize: decode-and-merge-slashes takes them for slashes, which ${escapedSlashes} contradicts`)
  },
)

/** `inbound.paths`. */
export const paths: v.GenericSchema<unknown, PathSettings> = v.pipe(
  written,
  v.transform(({ normalize, escapedSlashes, parameters, routing }) => ({
    normalize,
    escapedSlashes: escapedSlashes ?? (normalize === 'decode-and-merge-slashes' ? 'unescape' : 'reject'),
    parameters,
    routing,
  })),
)

/** `inbound.headers`. */
export const headers: v.GenericSchema<unknown, HeaderSettings> = record({
  underscores: v.optional(oneOf(['refuse', 'drop', 'keep']), 'refuse'),
  maxCount: v.optional(integer(1, 999), 100),
  maxBytes: v.optional(integer(256, 1_048_576), 61_440),
})
