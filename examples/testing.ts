// Testing with a mesh: the endpoints are the test's, chance is seeded, and time stands still until the test turns it.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, createMesh, seededRandom, staticSource } from 'inmesh'

/** Fires what waits, in order, while it is advanced. */
class HandClock implements Clock {
  private time = 0
  private readonly waiting = new Set<{ at: number; fire: () => void }>()
  now = (): number => this.time
  wallTime = (): number => this.time
  afterPoll = (fire: () => void): void => fire()
  setTimer(fire: () => void, delayMs: number) {
    const entry = { at: this.time + delayMs, fire }
    this.waiting.add(entry)
    return { cancel: () => void this.waiting.delete(entry), ref() {}, unref() {} }
  }
  advance(ms: number): void {
    const end = this.time + ms
    for (;;) {
      const [next] = [...this.waiting].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.waiting.delete(next)
      this.time = Math.max(this.time, next.at)
      next.fire()
    }
    this.time = end
  }
}

let broken = true
const answers = [() => (broken ? 500 : 200), () => 200]
const servers = answers.map((status) => createServer((_, response) => response.writeHead(status()).end()).listen(0, '127.0.0.1'))
await Promise.all(servers.map((server) => once(server, 'listening')))
const endpoints = servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`)

const clock = new HandClock()
const registry = staticSource({ services: { orders: { endpoints } } })
const mesh = createMesh({ sources: [registry], clock, random: seededRandom(1), unknownHosts: 'refuse' })
const states = (): string =>
  mesh
    .stats()
    .services['orders']?.endpoints.map(({ state }) => state)
    .join(', ') ?? 'none'

for (let call = 0; call < 20; call++) await (await mesh.fetch('http://orders/')).arrayBuffer()
console.log('after 20 calls:      ', states())
clock.advance(29_999)
console.log('29.999 seconds later:', states())
broken = false
clock.advance(1)
console.log('30 seconds later:    ', states())
await (await mesh.fetch('http://orders/')).arrayBuffer()
console.log('after its probe:     ', states())
registry.update({ services: { orders: { endpoints: [] } } })
const lost = await mesh.fetch('http://orders/').catch((error: Error & { cause?: { code?: string } }) => error.cause?.code)
console.log('without endpoints:   ', lost)
await mesh.close()
for (const server of servers) server.close()
