import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Calendar } from '../../../src/balancing/calendar.ts'

describe('a calendar', () => {
  it('always finds who is due first, whatever the periods and however far off the rate', () => {
    const period = fc.double({ min: 0.001, max: 1_000, noNaN: true })
    const start = fc.double({ min: 0, max: 50, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(start, period), { minLength: 1, maxLength: 30 }),
        fc.double({ min: 0.01, max: 1_000, noNaN: true }),
        (all, rate) => {
          const due = Float64Array.from(all, ([first]) => first)
          const calendar = new Calendar(due, rate)
          for (let turn = 0; turn < 200; turn++) {
            const found = calendar.next()
            expect(calendar.dueAt(found)).toBe(Math.min(...due))
            // Looking does not change anything.
            if (turn % 3 === 0) expect(calendar.next()).toBe(found)
            calendar.again(found, calendar.dueAt(found) + (all[found]?.[1] as number))
          }
        },
      ),
    )
  })
})
