import { spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { place, requireBuild } from '../support/child-script.ts'
import { FaultServer } from '../support/fault-server.ts'

beforeAll(requireBuild)
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** A service that answers after `afterMs`, on its own time. */
async function slow(afterMs: number): Promise<FaultServer> {
  const server = await FaultServer.start(({ answer, bodyRead }) => void bodyRead.then(() => setTimeout(() => answer(200, 'late'), afterMs)))
  cleanups.push(() => server.close())
  return server
}

interface Seen {
  ended: (string | number)[]
  states: string[]
  ejections: number
  breaker: string
  events: string[]
}

/** Twenty calls with a second each are under way when `held` happens to the process; what it says afterwards. */
function script(addresses: string[], held: string): string {
  return `
    import { createMesh } from 'inmesh'
    const mesh = createMesh({ services: { orders: { endpoints: ${JSON.stringify(addresses)}, timeout: '1s' } } })
    const events = []
    for (const name of ['endpointEjected', 'circuitOpened', 'retry']) mesh.on(name, () => events.push(name))
    await mesh.ready()
    await Promise.all(Array.from({ length: 10 }, () => mesh.request('http://orders/').then(({ body }) => body.text())))
    const calls = Array.from({ length: 20 }, (_, index) =>
      mesh.request('http://orders/', { method: index % 2 ? 'POST' : 'GET', mesh: { timeout: '1s' } })
        .then(async ({ statusCode, body }) => (await body.text(), statusCode), (error) => error.code))
    await new Promise((resolve) => setTimeout(resolve, 50))
    ${held}
    const ended = await Promise.all(calls)
    ended.push(...await Promise.all(Array.from({ length: 10 }, () => mesh.request('http://orders/').then(({ statusCode, body }) => body.dump().then(() => statusCode)))))
    const { endpoints, breaker } = mesh.stats().services.orders
    console.log(JSON.stringify({ ended, states: endpoints.map(({ state }) => state), ejections: endpoints.reduce((sum, each) => sum + each.ejections, 0), breaker: breaker.state, events }))
    await mesh.close()`
}

function start(name: string, code: string) {
  const child = spawn(process.execPath, [place(`stopped/${name}.mjs`, code)], { stdio: ['ignore', 'pipe', 'inherit'] })
  cleanups.push(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const heard = (text: string): Promise<unknown> => expect.poll(() => said.includes(text), { timeout: 10_000 }).toBe(true)
  return { child, heard, seen: () => ended.then(() => JSON.parse(said.split('\n').at(-2) ?? '') as Seen) }
}

const UNHARMED: Seen = {
  ended: Array<number>(30).fill(200),
  states: ['healthy', 'healthy'],
  ejections: 0,
  breaker: 'closed',
  events: [],
}

describe('a process that stood still', () => {
  it('stopped and continued: whose answer came in time is answered, nobody is ejected', async () => {
    const servers = [await slow(200), await slow(200)]
    const { child, heard, seen } = start(
      'signal',
      script(
        servers.map(({ address }) => address),
        "console.log('now')",
      ),
    )
    await heard('now')
    child.kill('SIGSTOP')
    // Longer than the deadline of the calls; the answers arrive meanwhile and wait in the kernel.
    await pause(2_000)
    child.kill('SIGCONT')
    expect(await seen()).toEqual(UNHARMED)
  }, 20_000)

  it('its loop blocked for two seconds: whose answer came in time is answered, nobody is ejected', async () => {
    const servers = [await slow(200), await slow(200)]
    const block = 'for (const end = performance.now() + 2_000; performance.now() < end; );'
    const { seen } = start(
      'blocked',
      script(
        servers.map(({ address }) => address),
        block,
      ),
    )
    expect(await seen()).toEqual(UNHARMED)
  }, 20_000)

  it('again and again for 150 ms: no try is given up for it', async () => {
    const servers = [await slow(100), await slow(100)]
    const block = `for (let turn = 0; turn < 5; turn++) {
      for (const end = performance.now() + 150; performance.now() < end; );
      await new Promise((resolve) => setTimeout(resolve, 5))
    }`
    const { seen } = start(
      'stuttering',
      script(
        servers.map(({ address }) => address),
        block,
      ),
    )
    expect(await seen()).toEqual(UNHARMED)
  }, 20_000)

  it.each(['forward', 'back'])(
    'its wall clock set an hour %s: nothing happens',
    async (direction) => {
      const servers = [await slow(100), await slow(100)]
      const jump = `
      const real = Date.now
      const by = ${direction === 'forward' ? '' : '-'}3_600_000
      Date.now = () => real() + by
      globalThis.Date = class extends Date { constructor(...given) { super(...(given.length === 0 ? [real() + by] : given)) } static now() { return real() + by } }`
      const { seen } = start(
        `clock-${direction}`,
        script(
          servers.map(({ address }) => address),
          jump,
        ),
      )
      expect(await seen()).toEqual(UNHARMED)
    },
    20_000,
  )
})
