/** MT19937, the generator that C++ calls `std::mt19937`: Envoy shuffles by it, so whoever wants the same order needs the same numbers. */
export class MersenneTwister {
  private readonly state = new Uint32Array(SIZE)
  private index = SIZE

  /** Begins anew; one object serves many shuffles. */
  seed(seed: number): void {
    const { state } = this
    state[0] = seed
    for (let index = 1; index < SIZE; index++) {
      const before = state[index - 1] as number
      state[index] = Math.imul(0x6c07_8965, before ^ (before >>> 30)) + index
    }
    this.index = SIZE
  }

  /** The next whole number below 2^32. */
  next(): number {
    if (this.index === SIZE) this.twist()
    let mixed = this.state[this.index++] as number
    mixed ^= mixed >>> 11
    mixed ^= (mixed << 7) & 0x9d2c_5680
    mixed ^= (mixed << 15) & 0xefc6_0000
    return (mixed ^ (mixed >>> 18)) >>> 0
  }

  private twist(): void {
    const { state } = this
    for (let index = 0; index < SIZE; index++) {
      const joined = ((state[index] as number) & 0x8000_0000) | ((state[(index + 1) % SIZE] as number) & 0x7fff_ffff)
      state[index] = (state[(index + MIDDLE) % SIZE] as number) ^ (joined >>> 1) ^ ((joined & 1) === 0 ? 0 : 0x9908_b0df)
    }
    this.index = 0
  }
}

const SIZE = 624
const MIDDLE = 397
