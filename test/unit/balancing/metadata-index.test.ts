import { describe, expect, it } from 'vitest'
import { MetadataIndex, type WantedMetadata } from '../../../src/balancing/index.ts'
import { Endpoint } from '../../../src/core/endpoint.ts'
import { specOf } from '../../support/sample.ts'

const endpointsOf = (...metadata: unknown[]): readonly Endpoint[] =>
  Object.freeze(metadata.map((each, index) => new Endpoint('orders', specOf(index, { metadata: each as Record<string, string> }))))

const FLEET = endpointsOf(
  { version: 'v1', region: 'eu' },
  { version: 'v2', region: 'eu' },
  { version: 'v2', region: 'us' },
  { version: '["v1","v3","v3"]' },
  { version: '["v1",4]', region: '' },
  {},
)

describe('endpoints by metadata', () => {
  const index = new MetadataIndex({ all: FLEET })

  it.each<[wanted: WantedMetadata, places: number[]]>([
    [{ version: 'v2' }, [1, 2]],
    [{ version: 'v2', region: 'us' }, [2]],
    [{ region: 'eu', version: 'v1' }, [0]],
    // A JSON list of texts is each of them; any other text is itself.
    [{ version: 'v1' }, [0, 3]],
    [{ version: 'v3' }, [3]],
    [{ region: 'eu', version: 'v3' }, []],
    [{ version: '["v1","v3","v3"]' }, []],
    [{ version: '["v1",4]' }, [4]],
    [{ region: '' }, [4]],
    [{ version: 'V2' }, []],
    [{ zone: 'a' }, []],
    [{ constructor: 'x' } as unknown as WantedMetadata, []],
    [{}, [0, 1, 2, 3, 4, 5]],
  ])('%j: %j', (wanted, places) => expect(index.matching(wanted)).toEqual(places.map((place) => FLEET[place])))

  it('lists are frozen, and the same until endpoints change', () => {
    const set = { all: FLEET }
    const moving = new MetadataIndex(set)
    const before = moving.matching({ version: 'v2' })
    expect([Object.isFrozen(before), moving.matching({ version: 'v2' })]).toEqual([true, before])
    expect(moving.matching({ version: 'v2' })).toBe(before)
    set.all = FLEET.slice(2)
    expect(moving.matching({ version: 'v2' })).toEqual([FLEET[2]])
  })

  it('what somebody else wrote where text belongs is no value, and harms nobody', () => {
    const odd = new MetadataIndex({
      all: endpointsOf(undefined, null, { version: 7 }, { version: null }, { version: '[' }, { version: 'v1' }),
    })
    expect(odd.matching({ version: 'v1' })).toHaveLength(1)
    expect(odd.matching({ version: '[' })).toHaveLength(1)
  })
})
