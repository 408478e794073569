import { type AuthorizationResource, formatProvenance, type Provenance, resourceKey } from '../model/resources.ts'
import type { AuthorizationSnapshot, AuthorizationState, MissingAuthorization } from '../model/snapshot.ts'
import { RankedList, type RankedVersion } from './ranked-list.ts'

/**
 * The inbound policies in force, and those that should be and are not known: a policy that was rejected and has no former version,
 * and whatever a source holds that has not delivered yet.
 */
export class AuthorizationList {
  private readonly ranked = new RankedList<AuthorizationResource, AuthorizationSnapshot>(
    ({ resource: { name, namespace, policy }, from }) => Object.freeze({ name, namespace, policy, from }),
  )
  /** By source and key: policies that were rejected and never were in force. */
  private readonly broken = new Map<string, { readonly source: string; readonly key: string; readonly missing: MissingAuthorization }>()
  /** By source: those that have delivered nothing yet. */
  private readonly awaited = new Map<string, MissingAuthorization>()
  private readonly onChange: (state: AuthorizationState) => void
  private policies: readonly AuthorizationSnapshot[] = Object.freeze([])
  /** Something is different since it was told. */
  private untold = true

  constructor(onChange: (state: AuthorizationState) => void) {
    this.onChange = onChange
  }

  /** A source has not delivered yet, and may hold inbound policy. */
  await(source: string): void {
    this.awaited.set(source, { from: source, reason: 'the source has not answered yet', pending: true })
    this.untold = true
    this.tell()
  }

  /** A source failed, or refused what it read. */
  failed(source: string, why: string): void {
    if (!this.awaited.has(source)) return
    this.awaited.set(source, { from: source, reason: why, pending: false })
    this.untold = true
    this.tell()
  }

  /** A source delivered; with `complete`, everything that it has. */
  delivered(source: string, complete: ReadonlySet<string> | undefined): void {
    if (this.awaited.delete(source)) this.untold = true
    if (complete === undefined) return
    for (const [id, each] of this.broken) if (each.source === source && !complete.has(each.key)) this.forget(id)
  }

  /** A policy cannot be used. Where there was one before, that one stays. */
  rejected(source: string, resource: Omit<Provenance, 'source'>, problems: readonly string[], former: boolean): void {
    if (former) return
    const { namespace, name } = resource
    const key = resourceKey({ kind: 'authorization', namespace, name })
    const from = formatProvenance({ source, kind: 'authorization', namespace, name })
    const missing = { from, reason: problems.join('; '), pending: false }
    this.broken.set(idOf(source, key), { source, key, missing })
    this.untold = true
  }

  /** A policy was given. */
  touch(key: string, source: string): void {
    this.ranked.touch(key)
    this.forget(idOf(source, key))
  }

  /** A resource is gone from a source. */
  dropped(key: string, source: string): void {
    this.ranked.touch(key)
    this.forget(idOf(source, key))
  }

  /** Every policy that counts, the stronger source's first; the same list as before when none is different. */
  list(winner: (key: string) => RankedVersion<AuthorizationResource> | undefined): readonly AuthorizationSnapshot[] {
    const next = this.ranked.list(winner)
    if (next !== this.policies) this.untold = true
    this.policies = next
    return next
  }

  /** Tells what is in force now, unless it was told already. */
  tell(): void {
    if (!this.untold) return
    this.untold = false
    const missing = [...this.awaited.values(), ...Array.from(this.broken.values(), (each) => each.missing)]
    this.onChange({ policies: this.policies, missing })
  }

  private forget(id: string): void {
    if (this.broken.delete(id)) this.untold = true
  }
}

function idOf(source: string, key: string): string {
  return `${source}\0${key}`
}
