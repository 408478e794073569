import fc from 'fast-check'
import * as undici from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMesh, type Mesh } from '../../src/index.ts'
import { FaultServer, type Step } from '../support/fault-server.ts'

/** What a hook does when it is called; the first list entry belongs to the first call of any hook, and so on. */
type Action = 'none' | 'pause' | 'pause-twice' | 'pause-resume' | 'resume' | 'abort' | 'abort-later' | 'throw'

const pieces: Step = ({ write, bodyRead }) =>
  void bodyRead.then(() => {
    write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    for (const piece of ['one', 'two', 'three', 'four']) write(`${piece.length.toString(16)}\r\n${piece}\r\n`)
    setTimeout(() => write('4\r\nfive\r\n0\r\n\r\n'), 2)
  })
const large: Step = ({ answer, bodyRead }) => void bodyRead.then(() => answer(200, 'x'.repeat(300_000)))
const late =
  (status: number, body: string): Step =>
  ({ answer, bodyRead }) =>
    void bodyRead.then(() => setTimeout(() => answer(status, body), 6))
const notModified: Step = ({ write }) => write('HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n')

/** Name, step, and the body when all of it arrives. */
const STEPS: Record<string, { step: Step; body?: string }> = {
  ok: { step: 'ok', body: 'ok' },
  empty: { step: 204, body: '' },
  notModified: { step: notModified, body: '' },
  missing: { step: 404, body: 'status 404' },
  busy: { step: 503, body: 'status 503' },
  broken: { step: 500, body: 'status 500' },
  late: { step: late(200, 'late'), body: 'late' },
  lateBusy: { step: late(503, 'late 503'), body: 'late 503' },
  pieces: { step: pieces, body: 'onetwothreefourfive' },
  large: { step: large, body: 'x'.repeat(300_000) },
  hints: { step: 'early-hints', body: 'ok' },
  trailers: { step: 'trailers', body: 'ok' },
  reset: { step: 'rst-after-request' },
  resetInBody: { step: 'rst-in-body' },
  truncated: { step: 'missing-last-chunk' },
  badChunk: { step: 'bad-chunk-size' },
  garbage: { step: 'garbage' },
  silent: { step: 'silent' },
  stall: { step: 'head-then-stall' },
  upgrade: { step: 'upgrade-echo' },
}

/** What makes tries race is asked for more often. */
const LATE = ['late', 'late', 'late', 'lateBusy', 'lateBusy', 'silent', 'silent']

const REASON = new Error('the caller left')
const THROWN = new Error('the hook broke')

interface Run {
  dialect: 'legacy' | 'modern'
  method: 'GET' | 'POST' | 'HEAD' | 'UPGRADE'
  script: string[]
  actions: Action[]
}

const action = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Action>('none') },
  { weight: 8, arbitrary: fc.constantFrom<Action>('pause', 'pause-twice', 'pause-resume', 'resume') },
  { weight: 2, arbitrary: fc.constantFrom<Action>('abort', 'abort-later', 'throw') },
)
const run: fc.Arbitrary<Run> = fc.record({
  dialect: fc.constantFrom('legacy', 'modern'),
  method: fc.oneof({ weight: 4, arbitrary: fc.constant('GET') }, { weight: 1, arbitrary: fc.constantFrom('POST', 'HEAD', 'UPGRADE') }),
  script: fc.array(fc.constantFrom(...Object.keys(STEPS)), { minLength: 1, maxLength: 3 }),
  actions: fc.array(action, { maxLength: 12 }),
}) as fc.Arbitrary<Run>

/** What one call was told, in order, and what it did about it. */
class Trace {
  readonly told: string[] = []
  readonly breaches: string[] = []
  body = ''
  paused = false
  /** What the call was ended with from inside. */
  left: Error | undefined = undefined
  error: unknown = undefined
  readonly done: Promise<void>
  private readonly actions: Action[]
  private finish: () => void = () => {}
  abort: (reason: Error) => void = () => {}
  resume: () => void = () => {}
  pause: () => void = () => {}

  constructor(actions: Action[]) {
    this.actions = [...actions]
    this.done = new Promise((resolve) => {
      this.finish = resolve
    })
  }

  get over(): boolean {
    return this.told.some((each) => each === 'end' || each === 'error' || each === 'upgrade')
  }

  /** A hook was called; does what is next. Returns false where the old dialect would pause. */
  hear(hook: string): boolean {
    if (this.over) this.breaches.push(`${hook} after the end`)
    if (hook === 'start' ? this.told.length > 0 : this.told.length === 0) this.breaches.push(`${hook} at the wrong place`)
    if (this.left !== undefined && hook !== 'error') this.breaches.push(`${hook} after the caller left`)
    if (hook === 'data' && this.paused) this.breaches.push('data while paused')
    if (hook === 'data' && !this.told.includes('head')) this.breaches.push('data before the head')
    if (hook === 'head' && this.told.includes('head')) this.breaches.push('a second head')
    this.told.push(hook)
    if (this.over) {
      this.finish()
      return true
    }
    return this.act(this.actions.shift() ?? 'none')
  }

  private act(what: Action): boolean {
    switch (what) {
      case 'none':
        return true
      case 'pause':
      case 'pause-twice':
        this.paused = true
        this.pause()
        if (what === 'pause-twice') this.pause()
        setTimeout(() => {
          this.goOn()
          this.goOn()
        }, 1)
        return false
      case 'pause-resume':
        this.pause()
        this.goOn()
        return true
      case 'resume':
        this.goOn()
        return true
      case 'abort':
        this.leave(REASON)
        this.abort(REASON)
        this.abort(REASON)
        return true
      case 'abort-later':
        setImmediate(() => {
          if (!this.over) {
            this.leave(REASON)
            this.abort(REASON)
          }
        })
        return true
      case 'throw':
        this.leave(THROWN)
        throw THROWN
    }
  }

  private goOn(): void {
    this.paused = false
    this.resume()
  }

  private leave(reason: Error): void {
    this.left ??= reason
  }
}

interface Controller {
  abort(reason: Error): void
  pause(): void
  resume(): void
}

function modern(trace: Trace): object {
  return {
    onRequestStart(controller: Controller) {
      trace.abort = (reason) => controller.abort(reason)
      trace.pause = () => controller.pause()
      trace.resume = () => controller.resume()
      trace.hear('start')
    },
    onResponseStart: (_: Controller, status: number) => void trace.hear(status < 200 ? 'info' : 'head'),
    onResponseData(_: Controller, chunk: Buffer) {
      trace.body += chunk.toString()
      trace.hear('data')
    },
    onResponseEnd: () => void trace.hear('end'),
    onRequestUpgrade(_: Controller, __: number, ___: object, socket: { destroy(): void }) {
      socket.destroy()
      trace.hear('upgrade')
    },
    onResponseError(_: Controller, error: unknown) {
      trace.error = error
      trace.hear('error')
    },
  }
}

function legacy(trace: Trace): object {
  return {
    onConnect(abort: (reason: Error) => void) {
      trace.abort = abort
      trace.hear('start')
      // There is no way to pause before the head in this dialect.
      trace.paused = false
    },
    onHeaders(status: number, _: Buffer[], resume: () => void) {
      trace.resume = resume
      if (status < 200) {
        trace.hear('info')
        trace.paused = false
        return true
      }
      return trace.hear('head')
    },
    onData(chunk: Buffer) {
      trace.body += chunk.toString()
      return trace.hear('data')
    },
    onComplete: () => void trace.hear('end'),
    onUpgrade(_: number, __: Buffer[], socket: { destroy(): void }) {
      socket.destroy()
      trace.hear('upgrade')
    },
    onError(error: unknown) {
      trace.error = error
      trace.hear('error')
    },
  }
}

/** Makes the call, and checks what holds of every call. */
async function carryOut(mesh: Mesh, service: string, { dialect, method, script, actions }: Run): Promise<{ trace: Trace; hangs: boolean }> {
  const trace = new Trace(actions)
  const upgrade = method === 'UPGRADE' ? { method: 'GET', upgrade: 'echo' } : { method }
  const body = method === 'POST' ? { body: 'order' } : {}
  const hangs = script.some((name) => name === 'silent' || name === 'stall')
  const options = { origin: `http://${service}`, path: '/', ...upgrade, ...body, mesh: { timeout: hangs ? 60 : 5_000 } }
  mesh.dispatcher.dispatch(options, (dialect === 'legacy' ? legacy : modern)(trace))
  await trace.done
  // What belongs to the past must not speak any more.
  await new Promise((resolve) => setTimeout(resolve, 2))
  expect(trace.breaches).toEqual([])
  if (trace.left !== undefined) expect([trace.told.at(-1), trace.error]).toEqual(['error', trace.left])
  return { trace, hangs }
}

/** undici 7 told to speak the dialect of undici 8, which it understands too. */
const asUndici8 = { ...undici, Dispatcher1Wrapper: class {} }

describe.each([
  ['the old dialect', undici],
  ['the new dialect', asUndici8],
])('whatever a caller does in its hooks, above an undici of %s', (_, module) => {
  let mesh: Mesh
  let server: FaultServer
  let racers: FaultServer[]
  let admitted = 0
  let settled = 0

  beforeAll(async () => {
    server = await FaultServer.start()
    racers = await Promise.all([FaultServer.start(), FaultServer.start(), FaultServer.start()])
    mesh = createMesh({
      undici: module,
      gates: [
        {
          name: 'count',
          admit() {
            admitted++
            let once = false
            return {
              settle() {
                settled += once ? 1_000 : 1
                once = true
              },
            }
          },
        },
      ],
      services: {
        orders: {
          endpoints: [server.address],
          circuitBreaker: false,
          outlierDetection: false,
          retry: { backoff: { base: 1, max: 2 }, budget: { minPerSecond: 1_000 } },
        },
        raced: {
          endpoints: racers.map(({ address }) => address),
          circuitBreaker: false,
          outlierDetection: false,
          retry: { backoff: { base: 1, max: 2 }, budget: { minPerSecond: 1_000 } },
          hedge: { after: 2, max: 2, extraLoadPercent: 100 },
        },
      },
    })
    await mesh.ready()
  })
  afterAll(async () => {
    await mesh.close({ timeout: 0 })
    await Promise.all([server, ...racers].map((each) => each.close()))
  })

  it('it hears one start, one end of one kind, no byte while paused or after it left, and all of the answer', async () => {
    await fc.assert(
      fc.asyncProperty(run, async ({ dialect, method, script, actions }) => {
        server.behave(...script.map((name) => (STEPS[name] as { step: Step }).step))
        const seenBefore = server.requests.length
        const { trace, hangs } = await carryOut(mesh, 'orders', { dialect, method, script, actions })
        const sent = server.requests.length - seenBefore
        if (method === 'POST') expect(sent).toBeLessThanOrEqual(1)
        const last = STEPS[script[Math.min(sent, script.length) - 1] as string]
        if (trace.left === undefined && method !== 'UPGRADE' && last?.body !== undefined && !hangs)
          expect([trace.told.at(-1), trace.body]).toEqual(['end', method === 'HEAD' ? '' : last.body])
        const stats = mesh.stats()
        expect([stats.inflight, admitted, settled]).toEqual([0, admitted, admitted])
      }),
      { numRuns: 100 },
    )
    // What was drained or torn down meanwhile is over too.
    const service = (): unknown => mesh.stats().services['orders']?.endpoints.map(({ inflight }) => inflight)
    await expect.poll(service).toEqual([0])
  })

  it('so it does when its tries race, and what it gets is one answer whole', async () => {
    const scripts = fc.array(fc.array(fc.constantFrom(...Object.keys(STEPS), ...LATE), { minLength: 1, maxLength: 2 }), {
      minLength: 3,
      maxLength: 3,
    })
    await fc.assert(
      fc.asyncProperty(run, scripts, async ({ dialect, method, actions }, scripted) => {
        for (const [index, script] of scripted.entries())
          racers[index]?.behave(...script.map((name) => (STEPS[name] as { step: Step }).step))
        const seen = (): number => racers.reduce((sum, { requests }) => sum + requests.length, 0)
        const seenBefore = seen()
        const { trace } = await carryOut(mesh, 'raced', { dialect, method, script: scripted.flat(), actions })
        if (method === 'POST' || method === 'UPGRADE') expect(seen() - seenBefore).toBeLessThanOrEqual(method === 'POST' ? 1 : 3)
        if (trace.told.at(-1) === 'end' && method !== 'UPGRADE') {
          const whole = method === 'HEAD' ? [''] : scripted.flat().map((name) => STEPS[name]?.body)
          expect(whole).toContain(trace.body)
        }
        const stats = mesh.stats()
        expect([stats.inflight, admitted, settled]).toEqual([0, admitted, admitted])
      }),
      { numRuns: 50 },
    )
    const service = () => mesh.stats().services['raced']
    expect(service()?.hedges).toBeGreaterThan(5)
    await expect.poll(() => service()?.endpoints.map(({ inflight }) => inflight)).toEqual([0, 0, 0])
    expect([service()?.limits.retries, service()?.limits.pending]).toEqual([0, 0])
  })
})
