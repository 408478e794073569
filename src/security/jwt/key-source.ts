import type { JsonWebKeySet, KeySetStats } from '../../model/authentication.ts'
import { KeySet, readKeys } from './key-set.ts'

/** Where a provider's keys come from. */
export interface KeySource {
  /** Undefined: there are none that may be used. */
  readonly current: KeySet | undefined
  /** Another number whenever `current` is another: what was decided with former keys is decided anew. */
  readonly generation: number
  /** Begins to fetch; once. */
  start(): void
  close(): void
  /** The fetch that may bring a key that is missing. Undefined: none would, or the last is too short a while ago. Never rejects. */
  renewed(): Promise<void> | undefined
  /** Milliseconds until it will have tried again. */
  readonly retryAfterMs: number
  stats(): KeySetStats
}

/** Keys that were written into the configuration. */
export class StaticKeys implements KeySource {
  readonly current: KeySet
  readonly generation = 0
  readonly retryAfterMs = 0

  constructor(keys: JsonWebKeySet) {
    this.current = new KeySet(readKeys(keys).keys)
  }

  start(): void {}
  close(): void {}
  renewed(): undefined {
    return undefined
  }
  stats(): KeySetStats {
    return { keySet: 'static', keys: this.current.size, fetches: 0, failures: 0, ageMs: 0 }
  }
}
