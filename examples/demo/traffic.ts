import { randomUUID } from 'node:crypto'
import type { Mesh } from 'inmesh'

const CALLS_PER_SECOND = 100
const POST_EVERY = 10
/** A machine that slept must not send everything it missed at once. */
const LARGEST_BURST = 20
const LATENCY_WINDOW_MS = 5_000

/** One kind of call, counted. */
interface Count {
  sent: number
  lost: number
}

/** The demo's client: a steady stream of calls through the mesh, as an application would make them. */
export class Traffic {
  readonly gets: Count = { sent: 0, lost: 0 }
  readonly posts: Count = { sent: 0, lost: 0 }
  /** What went wrong with the first call that was lost. */
  firstLoss: string | undefined = undefined
  /** Hears which service answered. */
  answered: (service: string) => void = () => {}
  private readonly mesh: Mesh
  private readonly underWay = new Set<Promise<void>>()
  private latencies: { at: number; ms: number }[] = []
  private timer: NodeJS.Timeout | undefined = undefined

  constructor(mesh: Mesh) {
    this.mesh = mesh
  }

  get sent(): number {
    return this.gets.sent + this.posts.sent
  }

  get lost(): number {
    return this.gets.lost + this.posts.lost
  }

  start(): void {
    let due = 0
    let before = performance.now()
    this.timer = setInterval(() => {
      const now = performance.now()
      due = Math.min(due + ((now - before) * CALLS_PER_SECOND) / 1_000, LARGEST_BURST)
      before = now
      for (; due >= 1; due--) this.send()
    }, 1_000 / CALLS_PER_SECOND)
  }

  /** No new calls; resolves when the last one has ended. */
  async stop(): Promise<void> {
    clearInterval(this.timer)
    await Promise.all(this.underWay)
  }

  /** Latency of the last five seconds, in milliseconds. */
  latency(): { p50: number; p99: number } {
    const since = performance.now() - LATENCY_WINDOW_MS
    this.latencies = this.latencies.filter(({ at }) => at >= since)
    const sorted = this.latencies.map(({ ms }) => ms).sort((a, b) => a - b)
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    return { p50: at(0.5), p99: at(0.99) }
  }

  private send(): void {
    const post = this.sent % POST_EVERY === POST_EVERY - 1
    const count = post ? this.posts : this.gets
    count.sent++
    const call = this.call(post).catch((error: unknown) => {
      count.lost++
      this.firstLoss ??= `${post ? 'POST' : 'GET'}: ${describe(error)}`
    })
    this.underWay.add(call)
    void call.finally(() => this.underWay.delete(call))
  }

  private async call(post: boolean): Promise<void> {
    const startedAt = performance.now()
    const response = await (post
      ? // The key tells the mesh, and the service, that a second execution does no harm.
        this.mesh.fetch('http://orders/v1/orders', {
          method: 'POST',
          body: '{"item":"tea"}',
          headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
        })
      : this.mesh.fetch('http://orders/v1/orders/42'))
    await response.text()
    const now = performance.now()
    this.latencies.push({ at: now, ms: now - startedAt })
    if (response.status !== 200) throw new Error(`status ${response.status}`)
    this.answered(response.headers.get('x-served-by') ?? '')
  }
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? `${(cause as { code?: string }).code ?? cause.name} ${cause.message}` : String(cause)
}
