import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'

const parse = (options: object): ReturnType<typeof parseMeshOptions> => parseMeshOptions(options)

describe('context', () => {
  it.each([
    [{}, true, { trust: 'mesh', trace: true, forward: ['x-request-id'] }],
    [{ context: true }, true, { trust: 'mesh', trace: true, forward: ['x-request-id'] }],
    [{ context: false }, false, { trust: 'mesh', trace: true, forward: ['x-request-id'] }],
    [
      { context: { trust: 'anyone', forward: ['X-Lane', 'authorization'] } },
      true,
      { trust: 'anyone', trace: true, forward: ['x-lane', 'authorization'] },
    ],
    [{ context: { trace: false, forward: [] } }, true, { trust: 'mesh', trace: false, forward: [] }],
  ])('%j', (options, on, flow) => expect(parse(options)).toMatchObject({ context: on, flow }))

  it.each([
    [{ context: 'yes' }, 'context: expected a boolean, got "yes"'],
    [{ context: { trust: 'friends' } }, 'context.trust: expected mesh, anyone, nobody, got "friends"'],
    [{ context: { trace: 1 } }, 'context.trace: expected a boolean, got 1'],
    [{ context: { forward: ['x lane'] } }, 'context.forward[0]: expected the name of a header that may be copied, got "x lane"'],
    [
      { context: { forward: ['Content-Length'] } },
      'context.forward[0]: expected the name of a header that may be copied, got "Content-Length"',
    ],
    [{ context: { lanes: [] } }, 'context.lanes: unknown key'],
    [{ inbound: { lifecycle: { drainDelay: -1 } } }, 'inbound.lifecycle.drainDelay: expected a duration'],
    [{ inbound: { lifecycle: { warmUpTimeout: 'soon' } } }, 'inbound.lifecycle.warmUpTimeout: expected a duration'],
    [{ inbound: { health: { readiness: '/a/../b' } } }, 'inbound.health.readiness: expected a path such as /readyz'],
    [{ inbound: { health: { readiness: '/readyz?x' } } }, 'inbound.health.readiness: expected a path such as /readyz'],
    [{ inbound: { health: { liveness: '/x', readiness: '/x' } } }, 'inbound.health.readiness: the same path as liveness'],
  ])('%j is refused', (options, message) => expect(() => parse(options)).toThrow(message))

  it('a drain delay, and health paths', () =>
    expect(parse({ inbound: { lifecycle: { drainDelay: '5s' }, health: { readiness: '/readyz', grpc: true } } }).inbound).toMatchObject({
      lifecycle: { drainDelayMs: 5_000, warmUpTimeoutMs: 10_000 },
      health: { liveness: undefined, readiness: '/readyz', grpc: true },
    }))
})
