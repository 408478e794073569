import type { Server as NetServer } from 'node:net'
import type { ParsedOptions } from '../config/mesh-options.ts'
import { Guard } from '../inbound/guard.ts'
import type { Ground } from './ground.ts'
import type { Life } from './life.ts'

/** Everything of a mesh that stands before the application, put together. */
export class InboundSide {
  readonly guard: Guard

  constructor(parsed: ParsedOptions, ground: Ground, { passage, servers }: Life) {
    const { clock, emit, report } = ground
    this.guard = new Guard({
      service: parsed.service ?? 'inbound',
      clock,
      settings: parsed.inbound,
      gates: { shed: undefined, authenticate: [], authorize: [], limit: [], fault: [], own: parsed.inbound.gates },
      identify: () => undefined,
      emit,
      report,
      began: (call) => passage.began(call),
      opened: (call) => passage.opened(call),
      late: (call) => passage.late(call),
      enter: (call) => passage.enter(call),
      ended: (call, complete) => passage.ended(call, complete),
      serves: (server) => servers.add(server as NetServer),
      get closed() {
        return ground.closed
      },
    })
  }
}
