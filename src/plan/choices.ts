import { isDeepStrictEqual } from 'node:util'
import { EndpointSet } from '../balancing/endpoint-set.ts'
import { MetadataIndex, type WantedMetadata } from '../balancing/metadata-index.ts'
import { RandomBalancer } from '../balancing/random.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Policy } from '../model/resources.ts'
import type { SubsetStats } from '../model/stats.ts'
import type { SelectionSettings, SelectionStep } from '../model/subsets.ts'
import { Choice, type ChoiceCounters, type ChoiceGround, type ChoiceStep, stepOf } from './choice.ts'
import { Lanes } from './lanes.ts'
import type { Protections } from './protections.ts'
import { type Divided, type SelectionGround, Selections } from './selection.ts'
import type { ServiceBalancing } from './service-balancing.ts'

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
export class Choices {
  /** All endpoints. */
  readonly whole: Choice
  /** All endpoints by colour, where the service has lanes. */
  lanes: Lanes | undefined = undefined
  private policy: Policy
  private readonly context: ChoicesContext
  private readonly index: MetadataIndex
  private readonly selectionGround: SelectionGround
  private readonly choiceGround: ChoiceGround
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
    const { set, balancing, time } = context
    this.selectionGround = { set, balancing, time }
    this.choiceGround = this.groundOfChoices()
    this.selections = new Selections(this.selectionGround)
    this.whole = new Choice({ title: 'all endpoints', steps: [ANY], from: undefined }, this.choiceGround)
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
      return new Choice({ title: 'metadata', steps: this.steps({ metadata }, otherwise), from }, this.choiceGround)
    }
    const named = this.subset(subset)
    const title = `the subset ${subset}`
    if (named === undefined)
      return new Choice({ title, steps: [], from, problem: `the service has no subset ${subset}` }, this.choiceGround)
    const steps = this.steps({ metadata: named.metadata }, otherwise ?? named.otherwise)
    return new Choice({ title, steps, from: this.context.from() ?? from, counters: this.countersOf(subset) }, this.choiceGround)
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

  private matching({ metadata, key, missing }: ChoiceStep, whole: Divided): Divided | undefined {
    if (missing === true) return undefined
    if (metadata === undefined) return whole
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

  private groundOfChoices(): ChoiceGround {
    const { set, random, balancing, protections } = this.context
    const choices = this
    const whole: Divided = {
      current: balancing,
      get lanes() {
        return choices.lanes
      },
    }
    return {
      random,
      balancing,
      protections,
      nobody: { set: new EndpointSet(0, random), balancer: new RandomBalancer(random) },
      get version() {
        if (choices.all !== set.all) {
          choices.all = set.all
          choices.changes++
          choices.found.clear()
        }
        return choices.changes
      },
      matching: (step) => choices.matching(step, whole),
      probed: (endpoint) => set.probed(endpoint),
    }
  }
}

const ANY: ChoiceStep = Object.freeze({ metadata: undefined, key: '', said: 'any' })
