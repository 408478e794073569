// mesh.execute: a breaker, a deadline and retries for what is not HTTP; here a database that is away for a while.
import { setTimeout as wait } from 'node:timers/promises'
import { createMesh, isMeshError } from 'inmesh'

let connected = true
let queries = 0
async function query(sql: string, signal: AbortSignal): Promise<string> {
  queries++
  await wait(5, undefined, { signal })
  if (!connected) throw new Error('connection refused')
  return `3 rows for ${sql}`
}

const mesh = createMesh()
mesh.on('circuitOpened', ({ service, failurePercent }) =>
  console.log(`  the breaker of ${service} opens: ${Math.round(failurePercent)} % failed`),
)
mesh.on('circuitClosed', ({ service }) => console.log(`  the breaker of ${service} closes`))

async function orders(): Promise<string> {
  try {
    return await mesh.execute('orders-db', ({ signal }) => query('select', signal), {
      timeout: '1s',
      retries: 1,
      idempotent: true,
      circuitBreaker: { minRequests: 4, openFor: '300ms' },
    })
  } catch (error) {
    return isMeshError(error) ? error.code : (error as Error).message
  }
}

console.log('works:', await orders())

connected = false
for (let call = 1; call <= 6; call++) console.log(`away, call ${call}:`, await orders(), `(${queries} queries so far)`)

connected = true
await wait(350)
console.log('back:', await orders())

// A deadline ends what takes too long, and the task hears of it by its signal.
const slow = mesh.execute('report', ({ signal }) => wait(10_000, 'done', { signal }), { timeout: '100ms' })
console.log('slow:', await slow.catch((error: Error) => `${error.name}: ${error.message}`))

await mesh.close()
