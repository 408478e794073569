import { describe, expect, it } from 'vitest'
import { ERRORS, flagsOf, inboundFlagsOf, MeshError, type MeshErrorCode } from '../../../src/core/errors.ts'
import type { FailureKind } from '../../../src/core/outcome.ts'
import { FlagCounter, flagsFrom, RESPONSE_FLAGS, type ResponseFlag, withFlag } from '../../../src/core/response-flags.ts'
import { flagsOfTry } from '../../../src/core/try-flags.ts'
import { flagOf, flagsOfEnd } from '../../../src/outbound/failure.ts'
import type { NoRetryReason } from '../../../src/resilience/retry.ts'

describe('response flags', () => {
  it.each<[code: MeshErrorCode, outbound: ResponseFlag | undefined, inbound: ResponseFlag | undefined]>([
    ['MESH_NO_ENDPOINT', 'UH', 'UH'],
    ['MESH_UNKNOWN_SERVICE', 'NR', 'NR'],
    ['MESH_CIRCUIT_OPEN', 'UO', 'UO'],
    ['MESH_OVERLOADED', 'UO', 'OM'],
    ['MESH_DEADLINE', 'UT', 'DT'],
    ['MESH_CONNECT', 'UF', 'UF'],
    ['MESH_RESET', 'UC', 'UC'],
    ['MESH_PROTOCOL', 'UPE', 'DPE'],
    ['MESH_TLS', 'UF', 'UF'],
    ['MESH_NOT_REPLAYABLE', 'UC', 'UC'],
    ['MESH_FAULT', 'FI', 'FI'],
    ['MESH_UNAUTHENTICATED', 'UAEX', 'UAEX'],
    ['MESH_FORBIDDEN', 'UAEX', 'UAEX'],
    ['MESH_RATE_LIMITED', 'RL', 'RL'],
    ['MESH_CONFIG', undefined, undefined],
    ['MESH_NOT_READY', 'NFCF', 'NFCF'],
    ['MESH_CLOSED', 'LR', 'LR'],
  ])('%s: %s, and %s of what comes in', (code, outbound, inbound) => {
    const alone = (flag: ResponseFlag | undefined) => (flag === undefined ? [] : [flag])
    expect([flagsOf(code), inboundFlagsOf(code)]).toEqual([alone(outbound), alone(inbound)])
    // The same list every time: a refusal allocates none.
    expect(new MeshError(code).flags).toBe(flagsOf(code))
  })

  it('every code has its line above, and a code that nobody knows has none', () => {
    expect(Object.keys(ERRORS)).toHaveLength(17)
    for (const code of ['OTHER', 'toString'] as never[])
      expect([flagsOf(code), inboundFlagsOf(code), new MeshError(code).flags]).toEqual([[], [], []])
  })

  it.each<[kind: FailureKind | undefined, flag: ResponseFlag | undefined, expected: ResponseFlag[]]>([
    ['connect', undefined, ['UF']],
    ['tls', undefined, ['UF']],
    ['local', undefined, ['UF']],
    ['reset', undefined, ['UC']],
    ['reset', 'UR', ['UR']],
    ['timeout', undefined, ['UT']],
    ['protocol', undefined, ['UPE']],
    ['aborted', undefined, ['DC']],
    [undefined, undefined, []],
  ])('a try of kind %s, and %s', (kind, flag, expected) => {
    expect(flagsOfTry({ kind, flag })).toEqual(expected)
  })

  it('one stream that its peer ended is not the connection', () => {
    expect(flagOf('reset', Object.assign(new Error(), { code: 'ERR_HTTP2_STREAM_ERROR' }))).toBe('UR')
    expect(flagOf('reset', Object.assign(new Error(), { code: 'ECONNRESET' }))).toBeUndefined()
  })

  it.each<[why: NoRetryReason, retries: number, expected: ResponseFlag[]]>([
    ['attempts', 2, ['UC', 'URX']],
    ['attempts', 0, ['UC']],
    ['budget', 2, ['UC', 'UO']],
    ['limit', 2, ['UC', 'UO']],
    ['deadline', 2, ['UC']],
    ['not-idempotent', 2, ['UC']],
  ])('a call whose last try was reset, ended by %s of %d retries', (why, retries, expected) => {
    expect(flagsOfEnd({ kind: 'reset' } as never, { again: false, why, because: '' }, retries)).toEqual(expected)
  })

  it('one more flag is there once, and lists that are shared cannot be changed', () => {
    expect(withFlag(flagsFrom('UF'), 'UF')).toBe(flagsFrom('UF'))
    expect(withFlag(flagsFrom('UF'), 'URX')).toEqual(['UF', 'URX'])
    for (const flags of [flagsFrom('UF'), withFlag(flagsFrom('UF'), 'URX'), flagsFrom(undefined)]) expect(flags).toSatisfy(Object.isFrozen)
    const counter = new FlagCounter()
    counter.add(withFlag(flagsFrom('UF'), 'URX'))
    counter.add(flagsFrom('UF'))
    expect(counter.stats()).toEqual({ UF: 2, URX: 1 })
  })

  it('every flag is one that Envoy knows, with its long name', () => {
    for (const [flag, long] of Object.entries(RESPONSE_FLAGS))
      expect([flag, long]).toEqual([expect.stringMatching(/^[A-Z]{2,5}$/), expect.stringMatching(/^[A-Z]\w+$/)])
  })
})
