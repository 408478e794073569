import { formatProvenance } from '../../model/resources.ts'
import type { AuthorizationSnapshot } from '../../model/snapshot.ts'
import { foldPolicy } from './folded-policy.ts'
import { readPolicy } from './policy.ts'
import { type PlacedPolicy, RuleSet } from './rule-set.ts'

/** The policies once more, folded for applications that route loosely; compiled when the first request asks, since many never do. */
export class FoldedRules {
  private readonly policies: readonly AuthorizationSnapshot[]
  private enforced: RuleSet | undefined = undefined
  private rehearsed: RuleSet | undefined = undefined

  constructor(policies: readonly AuthorizationSnapshot[]) {
    this.policies = policies
  }

  /** @param enforced without those in dry run */
  of(enforced: boolean): RuleSet {
    if (enforced) {
      this.enforced ??= new RuleSet(this.placed().filter(({ policy }) => !policy.dryRun))
      return this.enforced
    }
    this.rehearsed ??= new RuleSet(this.placed())
    return this.rehearsed
  }

  private placed(): PlacedPolicy[] {
    return this.policies.flatMap(({ policy: document, namespace, from }): PlacedPolicy[] => {
      let policy = readPolicy(foldPolicy(document), namespace)
      // Nothing that was canonical becomes unreadable by being folded; if it did, as it was written it forbids at least that.
      if ('problems' in policy) policy = readPolicy(document, namespace)
      return 'problems' in policy ? [] : [{ policy, from: formatProvenance(from) }]
    })
  }
}
