import { monitorEventLoopDelay } from 'node:perf_hooks'
import { expect } from 'vitest'
import { createMesh, isMeshError, type MeshError, type ServiceOptions } from '../../src/index.ts'
import { type Door, doors } from './doors.ts'
import { FaultServer, type Step } from './fault-server.ts'

/** What a test expects of one call; what it does not name is not looked at. */
export interface Expectation {
  status?: number
  body?: string
  /** Code of the MeshError, behind a `TypeError` where fetch wraps it. */
  error?: string
  /** Requests that all upstreams together saw. */
  attempts?: number
  /** Requests each upstream saw, in order. */
  seen?: number[]
  withinMs?: number
  notBeforeMs?: number
}

/** Everything the harness can see of a finished call. */
export interface Result {
  status: number
  body: string
  error: unknown
  tookMs: number
  /** Longest time in which this process did not get round to its events: nobody can be earlier than that. */
  stalledMs: number
}

interface Upstream {
  server: FaultServer
}

/** Begins a scenario: real servers on loopback, one mesh, one or more calls, and a look at what happened. */
export function scenario(): Scenario {
  return new Scenario()
}

/** A scenario under construction; each step returns it, and `expect` runs it. */
class Scenario {
  private readonly scripts: (Step[] | 'refused')[] = []
  private service: ServiceOptions = {}
  private door: Door = 'fetch'
  private path = '/'
  private init: Record<string, unknown> = {}

  /** One more endpoint that does these steps, request by request; the last is repeated. */
  upstream(...script: Step[]): this {
    this.scripts.push(script)
    return this
  }

  /** One more endpoint on which nobody listens. */
  refused(): this {
    this.scripts.push('refused')
    return this
  }

  options(service: ServiceOptions): this {
    this.service = { ...this.service, ...service }
    return this
  }

  through(door: Door): this {
    this.door = door
    return this
  }

  call(path = '/', init: Record<string, unknown> = {}): this {
    this.path = path
    this.init = init
    return this
  }

  async expect(expected: Expectation): Promise<void> {
    const upstreams = await Promise.all(this.scripts.map(start))
    const endpoints = upstreams.map(({ server }) => server.address)
    const mesh = createMesh({
      // Round robin from the first endpoint on, so that a test knows whom a call meets first.
      random: () => 0,
      services: { orders: { balancing: { policy: 'round-robin' }, endpoints, ...this.service } },
    })
    try {
      // Loading undici is slow where the cores are busy, and no part of what is timed.
      if (expected.withinMs !== undefined) await mesh.ready()
      const stalls = monitorEventLoopDelay({ resolution: 5 })
      stalls.enable()
      const startedAt = performance.now()
      const result = await doors[this.door](mesh, `http://orders${this.path}`, this.init)
        .then(({ status, body }) => ({ status, body, error: undefined as unknown }))
        .catch((error: unknown) => ({ status: 0, body: '', error }))
      const tookMs = performance.now() - startedAt
      stalls.disable()
      compare({ ...result, tookMs, stalledMs: stalls.max / 1e6 }, expected, upstreams)
    } finally {
      await mesh.close({ timeout: 0 })
      const left = await openSockets(upstreams)
      await Promise.all(upstreams.map(({ server }) => server.close()))
      expect(left, 'sockets that outlive mesh.close()').toBe(0)
    }
  }
}

/** Sockets that are still open at the servers; the news of a close takes a moment to get there. */
async function openSockets(upstreams: Upstream[]): Promise<number> {
  const count = (): number => upstreams.reduce((sum, { server }) => sum + server.openSockets, 0)
  for (let turn = 0; turn < 100 && count() > 0; turn++) await new Promise((resolve) => setTimeout(resolve, 10))
  return count()
}

async function start(script: Step[] | 'refused'): Promise<Upstream> {
  if (script !== 'refused') return { server: await FaultServer.start(...script) }
  const server = await FaultServer.start()
  await server.close()
  return { server }
}

function compare(result: Result, expected: Expectation, upstreams: Upstream[]): void {
  const { status, body, error, attempts, seen, withinMs, notBeforeMs } = expected
  const failure = meshErrorIn(result.error)
  if (error !== undefined) expect(failure?.code ?? (result.error as Error | undefined)?.message ?? `answer ${result.status}`).toBe(error)
  else if (result.error !== undefined) throw result.error
  if (status !== undefined) expect(result.status).toBe(status)
  if (body !== undefined) expect(result.body).toBe(body)
  const counts = upstreams.map(({ server }) => server.requests.length)
  if (attempts !== undefined) expect(counts.reduce((sum, count) => sum + count, 0)).toBe(attempts)
  if (seen !== undefined) expect(counts).toEqual(seen)
  if (withinMs !== undefined) expect(result.tookMs).toBeLessThan(withinMs + result.stalledMs)
  if (notBeforeMs !== undefined) expect(result.tookMs).toBeGreaterThanOrEqual(notBeforeMs - 1)
}

/** The MeshError behind whatever a door threw. */
export function meshErrorIn(error: unknown): MeshError | undefined {
  for (let each = error; each !== undefined && each !== null; each = (each as { cause?: unknown }).cause) {
    if (isMeshError(each)) return each
  }
  return undefined
}
