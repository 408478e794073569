import * as v from 'valibot'
import type { SanMatch } from '../../model/identity.ts'
import { readSanMatch } from '../../security/spiffe/san-matcher.ts'
import { listOf, text } from './blocks.ts'

/** One name that a certificate may have, as it is written. */
const sanMatch = v.pipe(
  text(2_049),
  v.rawTransform<string, SanMatch>(({ dataset, addIssue, NEVER }) => {
    const match = readSanMatch(dataset.value)
    if (!('problem' in match)) return match
    addIssue({ message: match.problem })
    return NEVER
  }),
) as v.GenericSchema<unknown, SanMatch>

/** Names of which a certificate must have one; an empty list would let nobody in, or, misread, everybody. */
export const sanMatches = v.pipe(
  listOf('names', sanMatch),
  v.check((matches) => matches.length > 0, 'expected at least one name'),
) as v.GenericSchema<unknown, SanMatch[]>
