import { describe, expect, it } from 'vitest'
import { Scope, type ScopeMember } from '../../../src/core/scope.ts'

class Member implements ScopeMember {
  scopeBefore: ScopeMember | undefined = undefined
  scopeAfter: ScopeMember | undefined = undefined
  readonly heard: unknown[] = []
  private readonly after: () => void
  constructor(after: () => void = () => {}) {
    this.after = after
  }
  abort(reason: unknown): void {
    this.heard.push(reason)
    this.after()
  }
}

describe('a scope', () => {
  it('aborts who is in it, once, with the first reason', () => {
    const scope = new Scope()
    const members = [new Member(), new Member(), new Member()]
    for (const member of members) scope.join(member)
    scope.cancel('gone')
    scope.cancel('again')
    expect(members.map(({ heard }) => heard)).toEqual([['gone'], ['gone'], ['gone']])
    expect([scope.cancelled, scope.reason]).toEqual([true, 'gone'])
  })

  it.each([0, 1, 2])('who left hears nothing: number %d of three', (gone) => {
    const scope = new Scope()
    const members = [new Member(), new Member(), new Member()]
    for (const member of members) scope.join(member)
    scope.leave(members[gone] as Member)
    scope.leave(members[gone] as Member)
    scope.cancel('gone')
    expect(members.map(({ heard }) => heard.length)).toEqual([0, 1, 2].map((at) => (at === gone ? 0 : 1)))
  })

  it('who never joined takes nobody out', () => {
    const scope = new Scope()
    const member = new Member()
    scope.join(member)
    scope.leave(new Member())
    scope.cancel('gone')
    expect(member.heard).toEqual(['gone'])
  })

  it('who comes too late is aborted at once', () => {
    const scope = new Scope()
    scope.cancel('gone')
    const member = new Member()
    scope.join(member)
    expect(member.heard).toEqual(['gone'])
    expect([member.scopeBefore, member.scopeAfter]).toEqual([undefined, undefined])
  })

  it('an abort that takes out another one, or brings a new one, misses nobody', () => {
    const scope = new Scope()
    const late = new Member()
    const second = new Member()
    const first = new Member(() => {
      scope.leave(second)
      scope.join(late)
    })
    scope.join(second)
    scope.join(first)
    scope.cancel('gone')
    expect([first.heard, second.heard, late.heard]).toEqual([['gone'], [], ['gone']])
  })
})
