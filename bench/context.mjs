// node bench/context.mjs: what it costs that calls know the request they are made beneath, in nanoseconds; alone, for other versions of Node.
import { AsyncLocalStorage } from 'node:async_hooks'

const SAMPLES = 25
const ROUNDS = 4_000

/** Nanoseconds of one `operation`, which may be asynchronous: the median of the samples after the first few. */
async function price(operation) {
  const samples = []
  for (let sample = 0; sample < SAMPLES + 5; sample++) {
    const startedAt = performance.now()
    for (let round = 0; round < ROUNDS; round++) await operation()
    samples.push(((performance.now() - startedAt) * 1e6) / ROUNDS)
  }
  return samples.slice(5).sort((a, b) => a - b)[SAMPLES >> 1]
}

/** The same for what is over at once. */
async function priceAtOnce(operation) {
  return (
    (await price(() => {
      for (let round = 0; round < 100; round++) operation()
    })) / 100
  )
}

/** A handler that waits for ten things, one after the other. */
async function tenAwaits() {
  for (let turn = 0; turn < 10; turn++) await undefined
}

/**
 * The three situations of a handler: no storage in the process, one that is alive, and inside of it. In this order, since a storage that was
 * used once is felt everywhere on Node 20 and 22.
 */
export async function contextPrices() {
  const figures = {}
  figures['10 awaits, context off'] = await price(tenAwaits)
  const storage = new AsyncLocalStorage()
  const store = { deadline: 1 }
  let seen
  const look = () => {
    seen = storage.getStore()
  }
  storage.run(store, look)
  figures['10 awaits, context on, outside a request'] = await price(tenAwaits)
  figures['10 awaits, context on, inside a request'] = await price(() => storage.run(store, tenAwaits))
  figures['enter a request, and leave it'] = await priceAtOnce(() => storage.run(store, look))
  await storage.run(store, async () => {
    figures['ask which request it is'] = await priceAtOnce(look)
  })
  if (seen !== store) throw new Error('it was not inside')
  storage.disable()
  return figures
}

if (process.argv[1] === import.meta.filename) {
  console.log(process.version)
  for (const [name, nanos] of Object.entries(await contextPrices())) console.log(`  ${name.padEnd(44)} ${nanos.toFixed(0).padStart(7)}`)
}
