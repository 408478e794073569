/** Work that ends when what it was begun for is given up. The links are its own, so that joining costs no allocation. */
export interface ScopeMember {
  /** @internal */ scopeBefore: ScopeMember | undefined
  /** @internal */ scopeAfter: ScopeMember | undefined
  abort(reason: unknown): void
}

/**
 * What was begun for one request, so that it can be called off when nobody waits for the request any more. Who joins must leave at its
 * end: a scope that lives for an hour would hold every call that was ever made beneath it.
 */
export class Scope {
  cancelled = false
  /** Why it was cancelled. */
  reason: unknown = undefined
  private first: ScopeMember | undefined = undefined

  /** From now on `member` is aborted with the scope; at once when that is over already. */
  join(member: ScopeMember): void {
    if (this.cancelled) {
      member.abort(this.reason)
      return
    }
    const { first } = this
    member.scopeAfter = first
    if (first !== undefined) first.scopeBefore = member
    this.first = member
  }

  /** Nothing happens when it never joined. */
  leave(member: ScopeMember): void {
    const { scopeBefore: before, scopeAfter: after } = member
    if (before === undefined && this.first !== member) return
    if (before === undefined) this.first = after
    else before.scopeAfter = after
    if (after !== undefined) after.scopeBefore = before
    member.scopeBefore = undefined
    member.scopeAfter = undefined
  }

  /** Aborts who is in it, and whoever comes later. The first reason stays. */
  cancel(reason: unknown): void {
    if (this.cancelled) return
    this.cancelled = true
    this.reason = reason
    for (let member = this.first; member !== undefined; member = this.first) {
      this.leave(member)
      member.abort(reason)
    }
  }
}
