import type { AddressPolicy } from '../../core/address.ts'
import { backoffMs, jittered } from '../../core/backoff.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import type { Random } from '../../core/random.ts'
import type { ResolvedAddress } from '../../model/name-resolver.ts'
import { DnsError, dnsError } from './dns-error.ts'
import type { Answer } from './lookup.ts'

/** What a living name needs of the resolver it belongs to. */
export interface LivingNameContext {
  readonly clock: Clock
  readonly random: Random
  readonly addressPolicy: AddressPolicy
  /** Its addresses changed, or it settled. */
  changed(): void
  failed(error: DnsError): void
  recovered(): void
}

/** How long answers hold. Milliseconds. */
export interface Lifetimes {
  readonly minTtlMs: number
  readonly maxTtlMs: number
  /** How long the last answer serves on after a server said that there is nothing any more. */
  readonly staleMs: number
}

/**
 * One name and its present addresses. It asks again when the answer's time is over, or at once when somebody found an address
 * unreachable; one question at a time. A server that fails never takes an address away; one that says *there is nothing* does so
 * after {@link Lifetimes.staleMs}.
 */
export class LivingName {
  addresses: readonly ResolvedAddress[] = []
  failure: DnsError | undefined = undefined
  settled = false
  readonly name: string
  private readonly lookup: () => Promise<Answer>
  private readonly lifetimes: Lifetimes
  private readonly context: LivingNameContext
  private parts: ReadonlyMap<string, readonly ResolvedAddress[]> = new Map()
  private timer: Timer | undefined = undefined
  private asking = false
  private askedAt = Number.NEGATIVE_INFINITY
  private failures = 0
  private absentSince: number | undefined = undefined
  private stopped = false

  constructor(name: string, lookup: () => Promise<Answer>, lifetimes: Lifetimes, context: LivingNameContext) {
    this.name = name
    this.lookup = lookup
    this.lifetimes = lifetimes
    this.context = context
  }

  /** Asks now, unless a question is under way or the last was less than a second ago: then in that second. */
  refresh(): void {
    if (this.asking || this.stopped) return
    const since = this.context.clock.now() - this.askedAt
    if (since < REFRESH_EVERY_MS) this.schedule(REFRESH_EVERY_MS - since)
    else void this.ask()
  }

  stop(): void {
    this.stopped = true
    this.timer?.cancel()
  }

  private async ask(): Promise<void> {
    this.timer?.cancel()
    this.asking = true
    this.askedAt = this.context.clock.now()
    let answer: Answer | DnsError
    try {
      answer = await this.lookup()
    } catch (thrown) {
      answer = dnsError(this.name, thrown)
    }
    this.asking = false
    if (this.stopped) return
    const waitMs = answer instanceof DnsError ? this.failedWith(answer) : this.take(answer)
    this.schedule(waitMs)
  }

  /** Takes an answer over; gives the milliseconds for which it holds. */
  private take({ parts, ttlMs = 0 }: Answer): number {
    const { random, addressPolicy } = this.context
    const next = new Map<string, readonly ResolvedAddress[]>()
    let refusal: string | undefined
    for (const { key, result } of parts) {
      // One family that failed keeps what it had; one that a server calls empty is empty.
      const found = result instanceof DnsError ? (result.absent ? [] : (this.parts.get(key) ?? [])) : result
      const allowed = found.filter(({ address }) => {
        const reason = addressPolicy.refusal(address)
        refusal ??= reason
        return reason === undefined
      })
      next.set(key, allowed)
    }
    const addresses = interleaved([...next.values()].flat())
    if (addresses.length === 0)
      return this.failedWith(new DnsError(this.name, refusal === undefined ? 'ENODATA' : 'EADDRESSREFUSED', refusal))
    const recovered = this.failure !== undefined
    this.parts = next
    this.failures = 0
    this.failure = undefined
    this.absentSince = undefined
    if (recovered) this.context.recovered()
    this.replace(addresses)
    const { minTtlMs, maxTtlMs } = this.lifetimes
    const holds = Number.isFinite(ttlMs) ? Math.min(Math.max(ttlMs, minTtlMs), maxTtlMs) : minTtlMs
    return Math.min(jittered(holds, random), holds + LATEST_MS)
  }

  /** Keeps what is known; gives the milliseconds until the next question. */
  private failedWith(error: DnsError): number {
    const { clock, random } = this.context
    const now = clock.now()
    const first = this.failure === undefined
    this.failures++
    this.failure = error
    this.absentSince = error.absent ? (this.absentSince ?? now) : undefined
    let waitMs = backoffMs(this.failures, FAILURE_BACKOFF, random)
    const leftMs = this.absentSince === undefined ? Number.POSITIVE_INFINITY : this.absentSince + this.lifetimes.staleMs - now
    const over = leftMs <= 0 && this.addresses.length > 0
    if (over) this.parts = new Map()
    else if (leftMs > 0) waitMs = Math.min(waitMs, leftMs)
    // Told first: who hears of the change wants to know what is behind it.
    if (first) this.context.failed(error)
    this.replace(over ? [] : this.addresses)
    return waitMs
  }

  private replace(addresses: readonly ResolvedAddress[]): void {
    const changed = !this.settled || !sameAddresses(addresses, this.addresses)
    this.addresses = addresses
    this.settled = true
    if (changed) this.context.changed()
  }

  private schedule(waitMs: number): void {
    this.timer?.cancel()
    this.timer = this.context.clock.setTimer(() => void this.ask(), waitMs)
    // Nobody stays alive for it.
    this.timer.unref()
  }
}

/**
 * Each address once, families by turns, in an order of its own: servers turn theirs with every answer, and an order that changes is
 * a configuration that changes.
 */
function interleaved(found: readonly ResolvedAddress[]): readonly ResolvedAddress[] {
  const unique = [...new Map(found.map((each) => [keyOf(each), each])).values()]
  unique.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const v6 = unique.filter(({ address }) => address.includes(':'))
  const v4 = unique.filter(({ address }) => !address.includes(':'))
  const mixed: ResolvedAddress[] = []
  for (let index = 0; index < Math.max(v4.length, v6.length); index++)
    mixed.push(...v4.slice(index, index + 1), ...v6.slice(index, index + 1))
  return Object.freeze(mixed)
}

function keyOf({ address, port }: ResolvedAddress): string {
  return `${address} ${port}`
}

function sameAddresses(a: readonly ResolvedAddress[], b: readonly ResolvedAddress[]): boolean {
  return (
    a.length === b.length &&
    a.every((each, index) => {
      const other = b[index] as ResolvedAddress
      return keyOf(each) === keyOf(other) && each.priority === other.priority && each.weight === other.weight
    })
  )
}

const REFRESH_EVERY_MS = 1_000
const FAILURE_BACKOFF = { baseMs: 1_000, maxMs: 30_000 }
/** A long answer is not used longer than its time by more than this, whatever the jitter. */
const LATEST_MS = 500
