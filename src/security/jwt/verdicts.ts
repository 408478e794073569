import { LRUCache } from 'lru-cache'
import type { RequestPrincipal } from '../../model/principal.ts'
import type { KeySource } from './key-source.ts'
import type { TokenFailure } from './refusals.ts'

/** A token that was proved. */
export interface Verdict {
  readonly text: string
  readonly provider: string
  readonly principal: RequestPrincipal
  readonly notBeforeMs: number
  readonly expiresAtMs: number
  readonly keys: KeySource
  /** Of the keys that proved it. */
  readonly generation: number
}

/** A token that will not be better at the next look. */
interface Reproach {
  readonly text: string
  readonly failure: TokenFailure
  readonly untilMs: number
  readonly keys: KeySource | undefined
  readonly generation: number
}

/**
 * What is known of tokens that came before. Proved ones are remembered until they expire or the keys change; bad ones for a moment, and
 * apart, so that a flood of them throws out nobody who is proved. Both are bounded by number and by size.
 *
 * The key is the end of the token, which is its signature: to hash a token of a thousand characters costs more than all the rest, and
 * whose end is the same is told apart by the whole text.
 */
export class Verdicts {
  private readonly proved = new LRUCache<string, Verdict>({ max: MAX_PROVED, maxSize: MAX_PROVED_BYTES, sizeCalculation: sizeOf })
  private readonly bad = new LRUCache<string, Reproach>({ max: MAX_BAD, maxSize: MAX_BAD_BYTES, sizeCalculation: sizeOf })

  /** @param nowMs wall time */
  get(text: string, nowMs: number): Verdict | TokenFailure | undefined {
    const key = text.slice(-KEY_LENGTH)
    const verdict = this.proved.get(key)
    if (verdict !== undefined && verdict.text === text) {
      if (verdict.generation === verdict.keys.generation && nowMs < verdict.expiresAtMs && nowMs >= verdict.notBeforeMs) return verdict
      this.proved.delete(key)
    }
    return this.reproach(key, text, nowMs)
  }

  remember(verdict: Verdict): void {
    this.proved.set(verdict.text.slice(-KEY_LENGTH), verdict)
  }

  /** @param keys the keys that it was checked with, if it came so far */
  rememberBad(text: string, failure: TokenFailure, nowMs: number, keys: KeySource | undefined): void {
    const entry = { text, failure, untilMs: nowMs + BAD_FOR_MS, keys, generation: keys?.generation ?? 0 }
    this.bad.set(text.slice(-KEY_LENGTH), entry)
  }

  private reproach(key: string, text: string, nowMs: number): TokenFailure | undefined {
    const found = this.bad.get(key)
    if (found === undefined || found.text !== text) return undefined
    // A wall clock that went back must not make it last.
    const holds = nowMs < found.untilMs && nowMs >= found.untilMs - BAD_FOR_MS
    if (holds && (found.keys === undefined || found.keys.generation === found.generation)) return found.failure
    this.bad.delete(key)
    return undefined
  }
}

/** The text, and what its claims take about. */
function sizeOf({ text }: { readonly text: string }): number {
  return text.length * 3 + 512
}

const KEY_LENGTH = 32
const MAX_PROVED = 10_000
const MAX_PROVED_BYTES = 32 * 1024 * 1024
const MAX_BAD = 1_000
const MAX_BAD_BYTES = 4 * 1024 * 1024
const BAD_FOR_MS = 10_000
