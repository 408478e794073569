import { ServiceCounters } from './service-counters.ts'

/** What one rule counted; plain numbers that the hot path adds to. */
export class RuleCounters {
  calls = 0
  /** Calls that the rule answered itself, redirects included. */
  answered = 0
  private readonly shadows = new Map<string, MirrorCounters>()

  /** The counters of what goes to a mirror. */
  mirror(service: string): MirrorCounters {
    let counters = this.shadows.get(service)
    if (counters === undefined) {
      counters = new MirrorCounters()
      this.shadows.set(service, counters)
    }
    return counters
  }

  get mirrors(): ReadonlyMap<string, MirrorCounters> {
    return this.shadows
  }
}

/** What went to one mirror of one rule. Its service counts none of it: a copy is no call that anybody made. */
export class MirrorCounters {
  readonly calls = new ServiceCounters()
  /** Copies that were not sent, because the body was too large or broke, or nobody serves the mirror. */
  skipped = 0
}

/** What one route counted, rule by rule; it outlives what is pushed, as long as the names stay. */
export class RouteCounters {
  /** Calls that no rule matched. */
  unmatched = 0
  private readonly rules = new Map<string, RuleCounters>()

  rule(name: string): RuleCounters {
    let counters = this.rules.get(name)
    if (counters === undefined) {
      counters = new RuleCounters()
      this.rules.set(name, counters)
    }
    return counters
  }

  /** Forgets the rules that are no more. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.rules.keys()) if (!names.has(name)) this.rules.delete(name)
  }
}
