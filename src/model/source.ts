import type { AddressPolicy } from '../core/address.ts'
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { HttpClient } from './http-client.ts'
import type { Resource, ResourceKind } from './resources.ts'

/** Something configuration comes from: a file, a registry, a control plane. */
export interface Source {
  /** Appears in provenance, events and stats. */
  readonly name: string
  /** It may deliver inbound policy: until it has delivered for the first time, no request is let in. Default false. */
  readonly inbound?: boolean
  /**
   * Starts to deliver. Returns what stops it and releases every handle. Called once, by `ready()` or the first call.
   * The source never throws later: what fails goes to `sink.failed`.
   */
  watch(sink: Sink): Stop
}

/** Ends a source and releases its handles. */
export type Stop = () => void | Promise<void>

/** Where a source delivers. */
export interface Sink {
  /** The mesh's own namespace: where resources live that name none. */
  readonly namespace: string
  /** What a source may use of the mesh it delivers to. */
  readonly context: SourceContext
  /** Applies what is valid and returns what is not; the former version of a rejected resource stays. */
  update(delta: ResourceDelta): Rejection[]
  /** The source cannot read now; what it gave before stays in force. */
  failed(error: unknown): void
  /** The source itself refused what it read; everything that it gave before stays in force. */
  rejected(rejections: readonly Rejection[]): void
}

/** The mesh as its sources see it: time, randomness and the ways to the network that obey the mesh's address policy. */
export interface SourceContext {
  readonly clock: Clock
  readonly random: Random
  readonly addressPolicy: AddressPolicy
  readonly http: HttpClient
  /** Calls `listener` when no connection to an endpoint came about, until the returned function is called. */
  onUnreachable(listener: (service: string, endpointId: string) => void): () => void
}

/** What changed at a source; `complete` makes it the whole of what the source has. */
export interface ResourceDelta {
  readonly version: string
  readonly upserts: readonly Resource[]
  readonly removals: readonly { kind: ResourceKind; namespace: string; name: string }[]
  /** True: what this source gave before and is not in `upserts` is gone. */
  readonly complete: boolean
  /** A part of the source cannot be read now, and is not in here: what it gave before stays. The source counts as failed. */
  readonly failing?: unknown
}

/** One resource that was not taken, and why. */
export interface Rejection {
  readonly kind: ResourceKind | 'document'
  readonly namespace: string
  readonly name: string
  /** Every problem, each with its path: `services.orders.retry.attempts: expected …`. */
  readonly problems: readonly string[]
  /** `empty`: there was nothing at all where configuration should be, which never empties what is in force. Default `invalid`. */
  readonly reason?: 'invalid' | 'empty'
}
