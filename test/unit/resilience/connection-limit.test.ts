import { describe, expect, it } from 'vitest'
import { ConnectionLimit, type ConnectionWaiter } from '../../../src/resilience/connection-limit.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

/** A limit whose turns pass at once, and what became of those who waited. */
function limitOf(maxConnections: number | undefined, maxPending?: number) {
  const limit = new ConnectionLimit(new VirtualClock())
  const settings = { ...(maxConnections === undefined ? {} : { maxConnections }), ...(maxPending === undefined ? {} : { maxPending }) }
  limit.reconfigure(settings)
  const served: string[] = []
  const waiter = (name: string): ConnectionWaiter & { ready: boolean } => ({
    ready: true,
    proceed() {
      served.push(name)
      limit.take()
    },
  })
  return { limit, served, waiter }
}

describe('a connection limit', () => {
  it('whoever finds none free lines up, and nobody overtakes the first, even when it cannot go on', () => {
    const { limit, served, waiter } = limitOf(2)
    limit.take()
    limit.take()
    expect(limit.room).toBe(false)
    const [first, second] = [waiter('first'), waiter('second')]
    first.ready = false
    expect([limit.enqueue(first), limit.enqueue(second)]).toEqual([true, true])
    limit.release()
    expect([served, limit.busy, limit.room]).toEqual([[], 1, false])
    first.ready = true
    limit.serve()
    expect([served, limit.busy, limit.pending]).toEqual([['first'], 2, 1])
    limit.release()
    limit.release()
    expect([served, limit.busy, limit.room]).toEqual([['first', 'second'], 1, true])
  })

  it('beyond maxPending nobody may wait; whoever left makes room', () => {
    const { limit, waiter } = limitOf(1, 1)
    limit.take()
    const first = waiter('first')
    expect([limit.enqueue(first), limit.enqueue(waiter('second'))]).toEqual([true, false])
    limit.leave(first)
    limit.leave(first)
    expect([limit.enqueue(waiter('third')), limit.pendingRefusals]).toEqual([true, 1])
  })

  it('a connection that came free is given to others two turns later', () => {
    const turns: (() => void)[] = []
    const limit = new ConnectionLimit({ afterPoll: (fire) => turns.push(fire) })
    limit.reconfigure({ maxConnections: 1 })
    limit.take()
    limit.release()
    const turn = () => {
      for (const fire of turns.splice(0)) fire()
      return limit.busy
    }
    expect([limit.busy, turn(), turn(), turns.length]).toEqual([1, 1, 0, 0])
  })

  it('without a limit nothing waits for turns, and what is in use is known when one comes', () => {
    const { limit } = limitOf(undefined)
    for (let each = 0; each < 3; each++) limit.take()
    limit.release()
    limit.reconfigure({ maxConnections: 3 })
    expect([limit.busy, limit.room]).toEqual([2, true])
    expect(limit.describe().state).toBe('2 of 3 connections busy, 0 of 1024 calls waiting')
    limit.reconfigure({ perEndpoint: { maxConnections: 2 } })
    expect(limit.describe().state).toBe('2 connections busy, at most 2 of an endpoint, 0 of 1024 calls waiting')
  })

  it('one socket too many is opened when another has closed, and somebody is asked for it', () => {
    const { limit } = limitOf(1)
    const told: string[] = []
    limit.dial(
      () => told.push('first'),
      () => told.push('room for first'),
    )
    limit.dial(
      () => told.push('second'),
      () => told.push('room for second'),
    )
    expect([told, limit.sockets]).toEqual([['first', 'room for second'], 1])
    limit.closed()
    expect([told.at(-1), limit.sockets]).toEqual(['second', 1])
    limit.closed()
    expect(limit.sockets).toBe(0)
  })
})

describe('connections that carry several calls', () => {
  const carrier = (streams = 1) => ({ streams, using: 0, held: 0 })

  it('are held as many as are needed for the tries, wherever these go', () => {
    const { limit } = limitOf(2)
    const [first, second] = [carrier(3), carrier(1)]
    const taken = (to: ReturnType<typeof carrier>) => {
      const room = limit.roomAt(to)
      if (room) limit.take(to)
      return room
    }
    // One connection to the first carries three; the second takes the other connection that there may be.
    expect([taken(first), taken(second), taken(first), taken(first), taken(first), taken(second)]).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ])
    expect([limit.busy, limit.room, limit.describe().state]).toEqual([
      4,
      false,
      '2 of 2 connections busy with 4 calls, 0 of 1024 calls waiting',
    ])
    limit.release(second)
    expect([taken(first), first.held, limit.room]).toEqual([true, 2, true])
    expect([taken(first), taken(first), taken(first)]).toEqual([true, true, false])
  })

  it('whoever waits goes on as soon as it is known how many one carries', () => {
    const { limit, served } = limitOf(1)
    const to = carrier()
    limit.take(to)
    for (const name of ['a', 'b', 'c'])
      limit.enqueue({
        ready: true,
        proceed() {
          served.push(name)
          limit.take(to)
        },
      })
    limit.carries(to, 3)
    expect([served, to, limit.pending]).toEqual([['a', 'b'], { streams: 3, using: 3, held: 1 }, 1])
    limit.carries(to, 1)
    expect([to.held, limit.room]).toEqual([3, false])
    for (let each = 0; each < 3; each++) limit.release(to)
    expect([served, to.using, to.held]).toEqual([['a', 'b', 'c'], 1, 1])
  })

  it('an endpoint may hold fewer than all', () => {
    const { limit } = limitOf(undefined)
    limit.reconfigure({ perEndpoint: { maxConnections: 1 } })
    const to = carrier(2)
    limit.take(to)
    limit.take(to)
    expect([limit.roomAt(to), limit.roomAt(carrier())]).toEqual([false, true])
  })
})
