import { describe, expect, it } from 'vitest'
import { EventLog } from '../../../src/composition/event-log.ts'
import { Events } from '../../../src/core/event.ts'
import { createMesh } from '../../../src/index.ts'
import type { MeshEvents } from '../../../src/model/events.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { failureOf } from '../../support/failure.ts'

function logOf() {
  const clock = new VirtualClock()
  const lines: string[] = []
  const events = new Events<MeshEvents>(() => {})
  new EventLog(events, clock, (line) => lines.push(line))
  return { clock, lines, events }
}

const REFUSED = { service: 'orders', gate: 'limits', code: 'MESH_OVERLOADED', flags: ['UO'], reason: 'full' } as const

describe('the log', () => {
  it('says a refusal with its flags once a minute, and then how many there were', () => {
    const { clock, lines, events } = logOf()
    for (let call = 0; call < 1_000; call++) events.emit('refused', REFUSED)
    clock.advance(59_999)
    events.emit('refused', REFUSED)
    clock.advance(1)
    events.emit('refused', REFUSED)
    const line = 'inmesh: orders: limits refuses calls with MESH_OVERLOADED [UO]: full'
    expect(lines).toEqual([line, `${line} (and 1000 more since the last such line)`])
  })

  it.each<[string, (events: Events<MeshEvents>) => void, string]>([
    [
      'an ejection',
      (events) =>
        events.emit('endpointEjected', { service: 'orders', endpoint: 'a:1', reason: '5 failures in a row', forMs: 30_000, failures: 5 }),
      'orders: a:1 is ejected for 30s: 5 failures in a row',
    ],
    [
      'a breaker, with the flag that its calls get',
      (events) => events.emit('circuitOpened', { service: 'orders', failurePercent: 60, requests: 40, openForMs: 5_000 }),
      'orders: the breaker is open for 5s, calls end with MESH_CIRCUIT_OPEN [UO]: 60 % of 40 calls found it unavailable',
    ],
    ['a source', (events) => events.emit('sourceFailed', { source: 'file:a', error: new Error('gone') }), 'file:a: the source fails: gone'],
  ])('tells of %s', (_, emit, expected) => {
    const { lines, events } = logOf()
    emit(events)
    expect(lines).toEqual([`inmesh: ${expected}`])
  })

  it('no call writes a line by itself, and a logger that throws harms nobody', async () => {
    const lines: string[] = []
    const logger = {
      warn: (line: string) => {
        lines.push(line)
        throw new Error('disk full')
      },
      error: () => {},
    }
    const mesh = createMesh({
      logger,
      services: { orders: { endpoints: ['127.0.0.1:1'], limits: { maxRequests: 0 } }, users: { endpoints: [] } },
    })
    for (let call = 0; call < 3; call++) await failureOf(mesh.fetch('http://orders/'))
    for (let call = 0; call < 3; call++) await failureOf(mesh.fetch('http://users/'))
    await mesh.close()
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^inmesh: orders: limits refuses calls with MESH_OVERLOADED \[UO\]: /)
  })
})
