import { subsetSeed } from '../balancing/subset-score.ts'
import { SharedXxHash64 } from '../balancing/xxhash64.ts'
import type { Random } from '../core/random.ts'

/** Who this process is among its kind, as far as balancing goes by it; and what all its services share for hashing. */
export class ProcessIdentity {
  readonly hash = new SharedXxHash64()
  private readonly service: string
  private readonly random: Random
  private drawn: number | undefined = undefined

  /** @param service the mesh's own service, with its namespace */
  constructor(service: string, random: Random) {
    this.service = service
    this.random = random
  }

  /** Decides which endpoints of a large service are ours. */
  get seed(): number {
    return subsetSeed(this.service, this.instance)
  }

  /** Who calls, in words. */
  get source(): string {
    return `${this.service}#${this.instance.toString(16)}`
  }

  /** Drawn at the first need, and ours from then on. */
  private get instance(): number {
    this.drawn ??= Math.floor(this.random() * 0x1_0000_0000)
    return this.drawn
  }
}
