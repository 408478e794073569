import { EndpointSet } from '../balancing/endpoint-set.ts'
import { MetadataIndex, type WantedMetadata } from '../balancing/metadata-index.ts'
import { RandomBalancer } from '../balancing/random.ts'
import { isDeepStrictEqual } from '../core/deep-equal.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Policy } from '../model/resources.ts'
import type { SubsetStats } from '../model/stats.ts'
import type { SelectionSettings, SelectionStep } from '../model/subsets.ts'
import { Choice, type ChoiceCounters, type ChoiceGround, type ChoiceStep, stepOf } from './choice.ts'
import { Lanes } from './lanes.ts'
import type { Protections } from './protections.ts'
import { type Divided, type SelectionGround, Selections } from './selection.ts'
import type { Choosable, ServiceBalancing } from './service-balancing.ts'

/** What the choices of a service are made with. */
export interface ChoicesContext extends Pick<SelectionGround, 'set' | 'time'> {
  readonly random: Random
  readonly balancing: ServiceBalancing
  readonly protections: Protections
  /** The resource that wrote the subsets. */
  from(): string | undefined
}

/**
 * Whom calls of one service may choose among: all endpoints, its subsets, those with certain metadata; and in each of them its lanes. What
 * is made of it stays while policies and endpoints change.
 */
export class Choices implements ChoiceGround {
  /** All endpoints. */
  readonly whole: Choice
  /** All endpoints by colour, where the service has lanes. */
  lanes: Lanes | undefined = undefined
  readonly balancing: ServiceBalancing
  readonly protections: Protections
  readonly random: Random
  readonly nobody: Choosable
  private policy: Policy
  private readonly context: ChoicesContext
  private readonly index: MetadataIndex
  private readonly selectionGround: SelectionGround
  private readonly selections: Selections
  /** What was found of each selection since endpoints or lanes changed last. */
  private readonly found = new Map<string, Divided | undefined>()
  private readonly counters = new Map<string, ChoiceCounters>()
  /** By what was asked for, as long as the policy stays. */
  private made = new WeakMap<SelectionSettings, Choice>()
  private all: readonly Endpoint[] | undefined = undefined
  private changes = 0

  constructor(policy: Policy, context: ChoicesContext) {
    this.policy = policy
    this.context = context
    this.index = new MetadataIndex(context.set)
    const { set, random, time, balancing } = context
    this.balancing = balancing
    this.protections = context.protections
    this.random = random
    this.nobody = { set: new EndpointSet(0, random), balancer: new RandomBalancer(random) }
    this.selectionGround = { set, time, balancing }
    this.selections = new Selections(this.selectionGround)
    this.whole = new Choice({ title: 'all endpoints', steps: [ANY], from: undefined }, this)
    this.configure(policy)
  }

  /** Takes a new policy over; selections stay as far as they mean the same. */
  configure(policy: Policy): void {
    this.policy = policy
    this.made = new WeakMap()
    const { lanes } = policy
    for (const name of this.counters.keys()) if (this.subset(name) === undefined) this.counters.delete(name)
    if (isDeepStrictEqual(lanes, this.lanes?.settings ?? false)) return
    this.lanes = lanes === false ? undefined : new Lanes(lanes, this.context.set, this.selectionGround)
    this.changes++
    this.found.clear()
  }

  /**
   * Whom the calls of a backend choose among.
   * @param from the resource that holds the backend
   */
  of(selection: SelectionSettings, from: string): Choice {
    let choice = this.made.get(selection)
    if (choice === undefined) {
      choice = this.make(selection, from)
      this.made.set(selection, choice)
    }
    return choice
  }

  private make({ subset, metadata, otherwise }: SelectionSettings, from: string): Choice {
    if (subset === undefined) {
      if (metadata === undefined) return this.whole
      return new Choice({ title: 'metadata', steps: this.steps({ metadata }, otherwise), from }, this)
    }
    const named = this.subset(subset)
    const title = `the subset ${subset}`
    if (named === undefined) return new Choice({ title, steps: [], from, problem: `the service has no subset ${subset}` }, this)
    const steps = this.steps({ metadata: named.metadata }, otherwise ?? named.otherwise)
    return new Choice({ title, steps, from: this.context.from() ?? from, counters: this.countersOf(subset) }, this)
  }

  /** The subsets that the policy names, and what their calls did. */
  stats(): Record<string, SubsetStats> {
    const { subsets } = this.policy
    const told = Object.entries(subsets === false ? {} : subsets).map(([name, { metadata }]) => {
      const endpoints = this.index.matching(metadata)
      const { calls, otherwise } = this.countersOf(name)
      return [name, { endpoints: endpoints.length, usable: endpoints.filter(({ out }) => !out).length, calls, otherwise }] as const
    })
    return Object.fromEntries(told)
  }

  private steps(meant: SelectionStep, otherwise: readonly SelectionStep[] = []): ChoiceStep[] {
    return [meant, ...otherwise].map(({ subset, metadata, any }) => {
      if (any === true) return ANY
      const wanted = metadata ?? (subset === undefined ? undefined : this.subset(subset)?.metadata)
      return wanted === undefined ? { ...ANY, said: `subset ${subset}, which there is not`, missing: true } : stepOf(wanted)
    })
  }

  private subset(name: string) {
    const { subsets } = this.policy
    return subsets !== false && Object.hasOwn(subsets, name) ? subsets[name] : undefined
  }

  private countersOf(name: string): ChoiceCounters {
    let counters = this.counters.get(name)
    if (counters === undefined) {
      counters = { calls: 0, otherwise: 0 }
      this.counters.set(name, counters)
    }
    return counters
  }

  get version(): number {
    const { all } = this.context.set
    if (this.all !== all) {
      this.all = all
      this.changes++
      this.found.clear()
    }
    return this.changes
  }

  probed(endpoint: Endpoint): void {
    this.context.set.probed(endpoint)
  }

  matching({ metadata, key, missing }: ChoiceStep): Divided | undefined {
    if (missing === true) return undefined
    // All endpoints: their lanes are the service's.
    if (metadata === undefined) return { current: this.balancing, lanes: this.lanes }
    if (!this.found.has(key)) this.found.set(key, this.select(metadata, key))
    return this.found.get(key)
  }

  private select(metadata: WantedMetadata, key: string): Divided | undefined {
    const endpoints = this.index.matching(metadata)
    if (endpoints.length === 0) return undefined
    const selection = this.selections.of(key, endpoints)
    const { lanes } = this.policy
    if (!isDeepStrictEqual(selection.dividedBy, lanes)) {
      selection.dividedBy = lanes
      selection.lanes = lanes === false ? undefined : new Lanes(lanes, selection.set, this.selectionGround)
    }
    return selection
  }
}

const ANY: ChoiceStep = Object.freeze({ metadata: undefined, key: '', said: 'any' })
