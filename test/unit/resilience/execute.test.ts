import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { IGNORED } from '../../../src/core/outcome.ts'
import { Executor } from '../../../src/resilience/execute.ts'
import { circuitBreaker, fromOpossum, newOpossum, type OpossumBreaker } from '../../../src/resilience/opossum.ts'
import { failureOf } from '../../support/failure.ts'
import { OK, UNAVAILABLE } from '../../support/sample.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function executor(): { run: Executor['run']; events: string[]; executor: Executor } {
  const events: string[] = []
  const made = new Executor({ clock: systemClock, random: () => 0, emit: (name) => events.push(name) })
  cleanups.push(() => made.close())
  return { run: made.run.bind(made), events, executor: made }
}

describe('execute', () => {
  it('gives what the task gives', async () => {
    const { run } = executor()
    expect(await run('db', async () => 42, {})).toBe(42)
    expect(await run('db', () => 42, {})).toBe(42)
  })

  it('runs a failed task again only when it is idempotent', async () => {
    const { run } = executor()
    let runs = 0
    const task = async ({ tries }: { tries: number }): Promise<number> => {
      runs++
      if (tries < 3) throw new Error(`try ${tries}`)
      return tries
    }
    expect(await failureOf(run('db', task, {}))).toMatchObject({ message: 'try 1' })
    expect(runs).toBe(1)
    expect(await run('db', task, { idempotent: true })).toBe(3)
    expect(await failureOf(run('db', task, { idempotent: true, retries: 1 }))).toMatchObject({ message: 'try 2' })
  })

  it('a task that throws at once is a task that fails', async () => {
    const { run } = executor()
    const thrown = failureOf(
      run(
        'db',
        () => {
          throw new Error('at once')
        },
        {},
      ),
    )
    expect(await thrown).toMatchObject({ message: 'at once' })
  })

  it('ends at its deadline, and aborts the signal if it was read', async () => {
    const { run } = executor()
    let reason: unknown
    const startedAt = performance.now()
    const error = await failureOf(
      run(
        'db',
        ({ signal }) =>
          new Promise((_, reject) =>
            signal.addEventListener('abort', () => {
              reason = signal.reason
              reject(reason)
            }),
          ),
        { timeout: 60, idempotent: true },
      ),
    )
    expect(error).toMatchObject({ code: 'MESH_DEADLINE', name: 'TimeoutError', service: 'db', tries: 1 })
    expect(reason).toBe(error)
    expect(performance.now() - startedAt).toBeLessThan(200)
  })

  it("the caller's own signal ends it, and counts against nobody", async () => {
    const { run, events } = executor()
    const options = { circuitBreaker: { minRequests: 1, failurePercent: 1 } }
    for (let call = 0; call < 5; call++) {
      const controller = new AbortController()
      const failed = failureOf(run('db', () => new Promise(() => {}), { ...options, signal: controller.signal }))
      setTimeout(() => controller.abort(), 5)
      expect(await failed).toMatchObject({ name: 'AbortError' })
    }
    expect(events).toEqual([])
    expect(await failureOf(run('db', async () => 1, { signal: AbortSignal.abort(new Error('before')) }))).toMatchObject({
      message: 'before',
    })
  })

  it('opens after failures, refuses, and closes after a good probe', async () => {
    const { run, events } = executor()
    const options = { circuitBreaker: { minRequests: 4, openFor: 60 } }
    const fail = async (): Promise<never> => {
      throw new Error('down')
    }
    for (let call = 0; call < 4; call++) await failureOf(run('db', fail, options))
    expect(await failureOf(run('db', async () => 1, options))).toMatchObject({ code: 'MESH_CIRCUIT_OPEN', service: 'db' })
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect(await run('db', async () => 1, options)).toBe(1)
    expect(events).toEqual(['circuitOpened', 'circuitClosed'])
  })

  it('close ends what runs', async () => {
    const { run, executor: made } = executor()
    const failed = failureOf(run('db', () => new Promise(() => {}), {}))
    await new Promise((resolve) => setTimeout(resolve, 30))
    made.close()
    expect(await failed).toMatchObject({ code: 'MESH_CLOSED' })
  })

  it('names every bad option', async () => {
    const { run } = executor()
    const error = await failureOf(run('', undefined as never, { timeout: -1, retries: 99 }))
    expect((error as Error).message.split('\n')).toHaveLength(4)
    expect(await failureOf(run('x', async () => 1, { circuitBreaker: { failurePercent: 0, openFor: 'soon' } }))).toMatchObject({
      code: 'MESH_CONFIG',
    })
  })
})

describe('circuitBreaker', () => {
  it('guards a function', async () => {
    let down = true
    const guarded = circuitBreaker(
      async (value: number) => {
        if (down) throw new Error('down')
        return value
      },
      { name: 'orders-db', minRequests: 2, openFor: 40 },
    )
    cleanups.push(() => guarded.shutdown())
    expect(guarded.state).toBe('closed')
    for (let call = 0; call < 2; call++) await failureOf(guarded(1))
    expect(guarded.state).toBe('open')
    expect(await failureOf(guarded(1))).toMatchObject({ code: 'MESH_CIRCUIT_OPEN' })
    down = false
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(await guarded(7)).toBe(7)
    guarded.shutdown()
    expect(await failureOf(guarded(1))).toMatchObject({ code: 'MESH_CLOSED' })
  })
})

describe('fromOpossum', () => {
  async function gate(): Promise<{ breaker: OpossumBreaker; admit: () => ReturnType<ReturnType<typeof fromOpossum>['admit']> }> {
    const breaker = await newOpossum(
      'team',
      (async () => {}) as never,
      { failurePercent: 50, windowMs: 10_000, minRequests: 4, openForMs: 40 },
      () => false,
    )
    cleanups.push(() => breaker.shutdown())
    const made = fromOpossum(breaker)
    return { breaker, admit: () => made.admit(undefined as never) }
  }

  it("counts in the team's breaker, and obeys it", async () => {
    const { breaker, admit } = await gate()
    for (let call = 0; call < 4; call++) {
      const permit = admit()
      if (permit.refused !== true) permit.settle(UNAVAILABLE)
    }
    expect(breaker.opened).toBe(true)
    expect(breaker.stats).toMatchObject({ fires: 4, failures: 4 })
    expect(admit()).toMatchObject({ refused: true, code: 'MESH_CIRCUIT_OPEN' })
  })

  it('lends one probe, takes an ignored one back, and closes on a good one', async () => {
    const { breaker, admit } = await gate()
    breaker.open()
    await new Promise((resolve) => setTimeout(resolve, 60))
    const probe = admit()
    expect(admit()).toMatchObject({ refused: true })
    if (probe.refused !== true) probe.settle(IGNORED)
    const second = admit()
    if (second.refused !== true) second.settle(OK)
    expect(breaker.closed).toBe(true)
  })

  it('what was admitted before it opened proves nothing', async () => {
    const { breaker, admit } = await gate()
    const early = admit()
    breaker.open()
    await new Promise((resolve) => setTimeout(resolve, 60))
    if (early.refused !== true) early.settle(OK)
    expect(breaker.halfOpen).toBe(true)
  })
})
