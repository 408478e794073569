import { describe, expect, it } from 'vitest'
import type { AuthorizationPolicyOptions } from '../../../../src/model/authorization.ts'
import type { AuthorizationSnapshot } from '../../../../src/model/snapshot.ts'
import { Authorizer } from '../../../../src/security/authorization/authorizer.ts'
import { questionOf } from '../../../../src/security/authorization/question.ts'

const COUNT = 600

/** Paths are few, so that several policies decide about one, and which of them is named depends on their order. */
function snapshot(id: number, path: number, action: 'allow' | 'deny', rules = 1): AuthorizationSnapshot {
  const name = `policy-${id}`
  const policy: AuthorizationPolicyOptions = {
    name,
    action,
    rules: Array.from({ length: rules }, (_, index) => ({ to: [{ operation: { paths: [`/p/${(path + index) % 200}`] } }] })),
  }
  return { name, namespace: 'default', policy, from: { source: 's', kind: 'authorization', namespace: 'default', name } }
}

/** Mulberry32: the same numbers each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

describe('policies that change a few at a time', () => {
  it.each([1, 2])('are decided as if all of them were compiled anew (seed %i)', (seed) => {
    const below = numbers(seed)
    let next = 0
    const make = (): AuthorizationSnapshot => snapshot(next++, below(200), below(5) === 0 ? 'deny' : 'allow', below(4))
    const policies = Array.from({ length: COUNT * 2 }, make).filter(
      ({ policy }) => policy.action === 'allow' || (policy.rules?.length ?? 0) > 0,
    )
    const living = new Authorizer()
    living.reconfigure({ policies: [...policies], missing: [] })
    for (let round = 0; round < 12; round++) {
      for (let change = below(6); change >= 0; change--) {
        const at = below(policies.length)
        const how = below(4)
        const fresh = snapshot(next++, below(200), 'allow', 1 + below(3))
        if (how === 0) policies.splice(at, 1)
        else if (how === 1) policies.splice(at, 0, fresh)
        else if (how === 2) policies[at] = fresh
        // One that stays changes its place: the index cannot be kept then.
        else if (round === 11) policies.push(...policies.splice(at, 1))
      }
      living.reconfigure({ policies: [...policies], missing: [] })
      const anew = new Authorizer()
      anew.reconfigure({ policies: [...policies], missing: [] })
      for (let path = 0; path < 200; path += 7) {
        const asked = questionOf({ path: `/p/${path}` })
        expect(living.explain(asked)).toEqual(anew.explain(asked))
      }
    }
  })

  it('keep the decision objects of those that stay', () => {
    const policies = Array.from({ length: COUNT }, (_, id) => ({ ...snapshot(id, 0, 'allow'), policy: own(id) }))
    const living = new Authorizer()
    living.reconfigure({ policies, missing: [] })
    const decided = living.decide(questionOf({ path: '/own/7' }))
    living.reconfigure({ policies: policies.with(3, { ...snapshot(3, 0, 'allow'), policy: own(9_999) }), missing: [] })
    expect(living.decide(questionOf({ path: '/own/7' }))).toBe(decided)
    expect(living.decide(questionOf({ path: '/own/3' })).action).toBe('deny')
    expect(living.decide(questionOf({ path: '/own/9999' })).action).toBe('allow')
  })
})

function own(id: number): AuthorizationPolicyOptions {
  return { name: `policy-${id}`, rules: [{ to: [{ operation: { paths: [`/own/${id}`] } }] }] }
}
