import type { Resource, ResourceKind } from './resources.ts'

/** Something configuration comes from: a file, a registry, a control plane. */
export interface Source {
  /** Appears in provenance, events and stats. */
  readonly name: string
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
  /** Applies what is valid and returns what is not; the former version of a rejected resource stays. */
  update(delta: ResourceDelta): Rejection[]
  /** The source cannot read now; what it gave before stays in force. */
  failed(error: unknown): void
  /** The source itself refused what it read; everything that it gave before stays in force. */
  rejected(rejections: readonly Rejection[]): void
}

/** What changed at a source; `complete` makes it the whole of what the source has. */
export interface ResourceDelta {
  readonly version: string
  readonly upserts: readonly Resource[]
  readonly removals: readonly { kind: ResourceKind; namespace: string; name: string }[]
  /** True: what this source gave before and is not in `upserts` is gone. */
  readonly complete: boolean
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
