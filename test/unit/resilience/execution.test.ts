import { afterEach, describe, expect, it, vi } from 'vitest'
import { MeshError } from '../../../src/core/errors.ts'
import type { Gate } from '../../../src/core/gate.ts'
import type { Outcome } from '../../../src/core/outcome.ts'
import { Executor, type Task } from '../../../src/resilience/execute.ts'
import type { ExecuteOptions } from '../../../src/resilience/execute-options.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const made: Executor[] = []
afterEach(() => {
  for (const executor of made.splice(0)) executor.close()
})

function make(gates: readonly Gate[] = []) {
  const clock = new VirtualClock()
  const events: { name: string; payload: unknown }[] = []
  const executor = new Executor({ clock, random: () => 0.5, gates, emit: (name, payload) => events.push({ name, payload }) })
  made.push(executor)
  /** Runs `task` while the clock moves on by a millisecond whenever nothing else happens. */
  const run = async (task: Task<unknown>, options: ExecuteOptions = {}): Promise<unknown> => {
    let over = false
    const ended = executor
      .run('db', task, { circuitBreaker: false, ...options })
      .catch((error: unknown) => error)
      .finally(() => {
        over = true
      })
    while (!over) {
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(1)
    }
    return ended
  }
  return { clock, events, executor, run }
}

/** A task that throws what it is given, in turn, and then answers; `runs` counts. */
function failing(...errors: unknown[]) {
  const task = Object.assign(
    (): string => {
      if (task.runs++ < errors.length) throw errors[task.runs - 1]
      return 'done'
    },
    { runs: 0 },
  )
  return task
}

const DOWN = new Error('down')
const retryable = (value: boolean): Error => Object.assign(new Error('said'), { retryable: value })

describe('what is run again', () => {
  it.each<[string, unknown, ExecuteOptions, number]>([
    ['an error that says nothing, not idempotent', DOWN, {}, 1],
    ['an error that says nothing, idempotent', DOWN, { idempotent: true }, 2],
    ['an error that says it may, not idempotent', retryable(true), {}, 2],
    ['an error that says it may not, idempotent', retryable(false), { idempotent: true }, 1],
    ['a MeshError that may', new MeshError('MESH_RESET'), {}, 2],
    ['a MeshError that may not', new MeshError('MESH_FORBIDDEN'), { idempotent: true }, 1],
    ['a mistake in the program', new TypeError('x is not a function'), { idempotent: true }, 1],
    ['anything, without retries', DOWN, { idempotent: true, retries: 0 }, 1],
  ])('%s', async (_, error, options, runs) => {
    const { run } = make()
    const task = failing(error)
    expect(await run(task, options)).toBe(runs === 1 ? error : 'done')
    expect(task.runs).toBe(runs)
  })

  it('waits with full jitter on our own clock, and tells', async () => {
    const { run, events, clock } = make()
    const startedAt = clock.now()
    expect(await run(failing(DOWN, DOWN, DOWN), { idempotent: true, retries: 3 })).toBe('done')
    expect(events.map(({ payload }) => (payload as { delayMs: number }).delayMs)).toEqual([12.5, 25, 50])
    expect(clock.now() - startedAt).toBeGreaterThanOrEqual(87.5)
    expect(clock.timers).toBe(0)
  })

  it('the last error comes out as it was thrown, also when it is none', async () => {
    const { run } = make()
    expect(await run(failing(DOWN, 'just text'), { idempotent: true })).toBe('just text')
    const last = new Error('third')
    expect(await run(failing(DOWN, DOWN, last), { idempotent: true })).toBe(last)
  })

  it('not when the deadline comes before its turn', async () => {
    const { run } = make()
    const task = failing(DOWN, DOWN, DOWN, DOWN, DOWN, DOWN)
    expect(await run(task, { idempotent: true, retries: 10, timeout: 60 })).toBe(DOWN)
    expect(task.runs).toBe(3)
  })

  it('not beyond the budget of the name', async () => {
    const { executor, clock } = make()
    const tasks = Array.from({ length: 300 }, () => failing(DOWN, DOWN, DOWN))
    const ended = Promise.all(
      tasks.map((task) => executor.run('db', task, { idempotent: true, circuitBreaker: false }).catch((error: unknown) => error)),
    )
    for (let step = 0; step < 200; step++) {
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(1)
    }
    await ended
    expect(tasks.reduce((sum, { runs }) => sum + runs, 0)).toBe(400)
  })
})

describe('how it ends', () => {
  it('a caller whose signal timed out counts against the name, one who left does not', async () => {
    const { executor, events } = make()
    const options = { circuitBreaker: { minRequests: 1, failurePercent: 50 } }
    const abort = async (reason: unknown): Promise<unknown> => {
      const controller = new AbortController()
      let begun = (): void => {}
      const begins = new Promise<void>((resolve) => {
        begun = resolve
      })
      const hanging = (): Promise<never> => {
        begun()
        return new Promise(() => {})
      }
      const run = executor.run('db', hanging, { ...options, signal: controller.signal }).catch((error: unknown) => error)
      await begins
      controller.abort(reason)
      return run
    }
    const left = new Error('user closed the tab')
    expect(await abort(left)).toBe(left)
    expect(events).toEqual([])
    const timeout = new DOMException('too slow', 'TimeoutError')
    expect(await abort(timeout)).toBe(timeout)
    expect(await abort(timeout)).toBe(timeout)
    expect(events.map(({ name }) => name)).toEqual(['circuitOpened'])
  })

  it("an AbortError of the task's own is a failure", async () => {
    const { executor, events } = make()
    const own = new DOMException('the driver gave up', 'AbortError')
    const options = { circuitBreaker: { minRequests: 1 } }
    await expect(executor.run('db', () => Promise.reject(own), options)).rejects.toBe(own)
    expect(events.map(({ name }) => name)).toEqual(['circuitOpened'])
  })

  it('bad options of one caller do not stay with the name', async () => {
    const { executor } = make()
    await expect(executor.run('db', () => 1, { circuitBreaker: { openFor: 'soon' } })).rejects.toMatchObject({ code: 'MESH_CONFIG' })
    expect(await executor.run('db', () => 1, {})).toBe(1)
  })

  it('after close nothing is run', async () => {
    const { executor, clock } = make()
    executor.close()
    const task = failing()
    await expect(executor.run('db', task, {})).rejects.toMatchObject({ code: 'MESH_CLOSED' })
    expect([task.runs, clock.timers]).toEqual([0, 0])
  })

  it('makes no AbortController unless the signal is read, also for a retry', async () => {
    const { run } = make()
    const construct = vi.spyOn(globalThis, 'AbortController')
    expect(await run(failing(DOWN, DOWN), { idempotent: true })).toBe('done')
    expect(construct).not.toHaveBeenCalled()
    await run(({ signal }) => signal.aborted)
    expect(construct).toHaveBeenCalledOnce()
    construct.mockRestore()
  })

  it('the signal carries the deadline', async () => {
    const { run } = make()
    let signal: AbortSignal | undefined
    await run(
      (context) => {
        ;({ signal } = context)
        return new Promise(() => {})
      },
      { timeout: 5 },
    )
    expect(signal?.reason).toMatchObject({ code: 'MESH_DEADLINE' })
  })
})

describe('gates around an execution', () => {
  function gate(name: string, heard: string[], refuse = false): Gate {
    return {
      name,
      admit: () =>
        refuse
          ? { refused: true, code: 'MESH_OVERLOADED', status: 503, reason: 'full' }
          : { settle: ({ verdict }: Outcome) => heard.push(`${name} ${verdict}`) },
    }
  }
  const broken: Gate = {
    name: 'broken',
    admit: () => {
      throw new Error('defect')
    },
  }

  it.each<[string, unknown, string]>([
    ['success', undefined, 'success'],
    ['failure', DOWN, 'failure'],
  ])('each permit hears once, last first: %s', async (_, error, verdict) => {
    const heard: string[] = []
    const { run } = make([gate('a', heard), broken, gate('b', heard)])
    await run(failing(...(error === undefined ? [] : [error])))
    expect(heard).toEqual([`b ${verdict}`, `a ${verdict}`])
  })

  it('a refusal comes out as a MeshError, and those who admitted hear that it was ignored', async () => {
    const heard: string[] = []
    const { run, events } = make([gate('a', heard), gate('limit', heard, true), gate('c', heard)])
    const task = failing()
    expect(await run(task)).toMatchObject({ code: 'MESH_OVERLOADED', service: 'db', from: 'db/limit' })
    expect([task.runs, heard]).toEqual([0, ['a ignored']])
    expect(events).toEqual([
      { name: 'refused', payload: { service: 'db', gate: 'limit', code: 'MESH_OVERLOADED', flags: ['UO'], reason: 'full' } },
    ])
  })
})
