import type { TokenAlgorithm, TokenProviderSettings } from '../../model/authentication.ts'
import { checkClaims, type Validity } from './claims.ts'
import type { VerificationKey } from './key-set.ts'
import type { KeySource } from './key-source.ts'
import type { TokenFailure } from './refusals.ts'
import type { UnprovedToken } from './token.ts'

/** One issuer of tokens: its rules and its keys. */
export class Provider {
  readonly settings: TokenProviderSettings
  readonly keys: KeySource

  constructor(settings: TokenProviderSettings, keys: KeySource) {
    this.settings = settings
    this.keys = keys
  }

  /** What can be told without a key: whether the token would hold now, or what is wrong. */
  precheck(token: UnprovedToken, nowMs: number): Validity | TokenFailure {
    if (!this.settings.algorithms.includes(token.algorithm as TokenAlgorithm)) return 'algorithm'
    return checkClaims(token.claims, this.settings, nowMs)
  }

  /** Whether one of the keys signed the token; undefined: yes. */
  async check(token: UnprovedToken): Promise<TokenFailure | undefined> {
    if (this.keys.current === undefined) await this.keys.renewed()
    const failure = await this.checkNow(token)
    // The very key that it names is known: no newer set would say anything else.
    if (failure === undefined || this.keys.current?.has(token.kid) === true) return failure
    const { generation } = this.keys
    await this.keys.renewed()
    return this.keys.generation === generation ? failure : this.checkNow(token)
  }

  private async checkNow(token: UnprovedToken): Promise<TokenFailure | undefined> {
    const { current } = this.keys
    if (current === undefined) return 'unavailable'
    const candidates = current.find(token.algorithm, token.kid)
    for (const candidate of candidates) if (await isSigned(token, candidate)) return undefined
    return candidates.length === 0 ? 'unknown-key' : 'signature'
  }
}

/** Loads what checks signatures, ahead of the first token. */
export function warmUp(): void {
  import('jose').catch(() => {})
}

/** The signature alone: what the token says was judged before, and jose takes more for valid than we do. */
async function isSigned({ text, algorithm }: UnprovedToken, { key }: VerificationKey): Promise<boolean> {
  const { compactVerify } = await import('jose')
  try {
    await compactVerify(text, key, { algorithms: [algorithm] })
    return true
  } catch {
    return false
  }
}
