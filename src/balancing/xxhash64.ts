import { AsyncResource } from 'node:async_hooks'

/** What is needed of xxhash-wasm. */
interface XxHashModule {
  h64(input: string, seed?: bigint): bigint
}

/**
 * XXH64, the hash of Envoy's and gRPC's rings and Maglev tables. What it gives stands in two halves until the next call, since a
 * `bigint` per comparison would be slow.
 */
export class XxHash64 {
  /** Upper and lower half of the last hash. */
  hi = 0
  lo = 0
  private readonly module: XxHashModule
  private readonly whole = new BigUint64Array(1)
  private readonly halves = new Uint32Array(this.whole.buffer)
  private readonly lower: 0 | 1

  /** @internal use {@link loadXxHash64} */
  constructor(module: XxHashModule) {
    this.module = module
    this.whole[0] = 1n
    this.lower = this.halves[0] === 1 ? 0 : 1
  }

  /** Hashes the UTF-8 of `text`. */
  hash(text: string, seed?: bigint): void {
    this.whole[0] = this.module.h64(text, seed)
    this.lo = this.halves[this.lower] as number
    this.hi = this.halves[1 - this.lower] as number
  }

  /** Hashes several texts one after the other, each seeded with the hash before it (as Envoy hashes the values of one header). */
  hashAll(texts: readonly string[]): void {
    let seed = 0n
    for (const text of texts) {
      this.hash(text, seed)
      seed = this.whole[0] as bigint
    }
  }
}

/** Compiles XXH64: a millisecond, and nothing on import. */
export async function loadXxHash64(): Promise<XxHash64> {
  const loaded = (await import('xxhash-wasm')) as unknown as { default: unknown }
  const { default: inner } = loaded as { default: { default?: unknown } }
  // Bundlers and loaders differ in where they put the export of a CommonJS module.
  const create = (typeof inner === 'function' ? inner : (inner.default ?? loaded)) as () => Promise<XxHashModule>
  return new XxHash64(await create())
}

/** XXH64, loaded for the first who needs it and shared by all balancers of a mesh; until then it is undefined. */
export class SharedXxHash64 {
  value: XxHash64 | undefined = undefined
  /** Why there will be none. */
  failure: unknown = undefined
  private loading: Promise<void> | undefined = undefined

  /** Calls back when it is there, or when it failed. */
  when(then: () => void): void {
    if (this.value !== undefined || this.failure !== undefined) {
      then()
      return
    }
    this.loading ??= loadXxHash64().then(
      (hash) => {
        this.value = hash
      },
      (error: unknown) => {
        this.failure = error ?? new Error('xxhash-wasm could not be loaded')
      },
    )
    // Whoever loads it does so in a context of its own; each goes on in the one it came from.
    void this.loading.then(AsyncResource.bind(then))
  }
}
