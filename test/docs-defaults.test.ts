import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../src/config/mesh-options.ts'
import { parseDuration } from '../src/core/duration.ts'
import { ERRORS, flagsOf, type MeshErrorCode } from '../src/core/errors.ts'
import { RESPONSE_FLAGS } from '../src/core/response-flags.ts'
import { DEFAULT_ADAPTIVE_CONCURRENCY } from '../src/model/adaptive-concurrency.ts'
import {
  DEFAULT_HEALTH_CHECK,
  DEFAULT_LANES,
  DEFAULT_LOAD_REPORTS,
  DEFAULT_POLICY,
  DEFAULT_SLOW_START,
  DEFAULT_SUBSET_SIZE,
} from '../src/model/defaults.ts'
import { DEFAULT_HEDGE } from '../src/model/hedge.ts'
import { DEFAULT_RATE_LIMIT_HEADERS, DEFAULT_SHEDDING } from '../src/model/inbound-limits.ts'
import { DEFAULT_THROTTLE } from '../src/model/throttle.ts'
import { REPLAY_LIMIT, ReplayMemory } from '../src/outbound/replay-body.ts'
import { ROOT } from './support/child-script.ts'

/** The rows of every table of a document whose header is `columns`, without backticks. */
function rows(document: string, columns: readonly string[]): string[][] {
  const lines = readFileSync(join(ROOT, document), 'utf8').split('\n')
  const header = lines.indexOf(`| ${columns.join(' | ')} |`)
  if (header < 0) throw new Error(`${document} has no table | ${columns.join(' | ')} |`)
  const found: string[][] = []
  for (const line of lines.slice(header + 2)) {
    if (!line.startsWith('|')) break
    found.push(
      line
        .slice(1)
        .split('|')
        .map((cell) => cell.replaceAll('`', '').trim()),
    )
  }
  return found
}

/** `{ retry: { attempts: 2 } }` as `retry.attempts → 2`; lists are values. */
function flat(value: object, before = ''): [field: string, value: unknown][] {
  return Object.entries(value).flatMap(([key, each]): [string, unknown][] =>
    typeof each === 'object' && each !== null && !Array.isArray(each) ? flat(each, `${before}${key}.`) : [[before + key, each]],
  )
}

/** A cell as the code has it: `15s` of a field in milliseconds is 15000, `none` is undefined, a list is a list. */
function asInCode(field: string, written: string): unknown {
  if (written === 'none') return undefined
  if (field.endsWith('Ms')) return parseDuration(written)
  if (written.includes(', ')) return written.split(', ')
  if (written === 'true' || written === 'false') return written === 'true'
  return /^\d+$/.test(written) ? Number(written) : written
}

const table = rows('docs/defaults.md', ['written as', 'default', 'field', 'elsewhere'])
const cells = table.map(([written = '', value = '', field = '']) => ({ written, value, field }))

describe('docs/defaults.md', () => {
  it('has every field of the default policy, and the value that the code has', () => {
    const documented = cells.filter(({ field }) => field !== 'fixed' && !/^(?:options\.|section )/.test(field))
    expect(Object.fromEntries(documented.map(({ field, value }) => [field, asInCode(field, value)]))).toEqual(
      Object.fromEntries(flat(DEFAULT_POLICY)),
    )
    // toEqual takes an absent key for undefined.
    expect(documented.map(({ field }) => field).sort()).toEqual(
      flat(DEFAULT_POLICY)
        .map(([field]) => field)
        .sort(),
    )
  })

  it('has what a section starts from that is off until it is written', () => {
    const { headers, expectedStatuses, ...check } = DEFAULT_HEALTH_CHECK
    const sections = {
      healthCheck: { ...check, expectedStatuses: 200, serviceName: undefined },
      slowStart: DEFAULT_SLOW_START,
      adaptiveConcurrency: DEFAULT_ADAPTIVE_CONCURRENCY,
      throttle: DEFAULT_THROTTLE,
      hedge: DEFAULT_HEDGE,
      lanes: DEFAULT_LANES,
      shedding: DEFAULT_SHEDDING,
      rateLimitHeaders: DEFAULT_RATE_LIMIT_HEADERS,
      loadReports: { ...DEFAULT_LOAD_REPORTS, metrics: undefined },
    }
    const documented = cells.filter(({ field }) => field.startsWith('section '))
    expect(documented.map(({ field, value }) => [field.slice(8), asInCode(field, value)]).sort()).toEqual(flat(sections).sort())
    expect([headers, expectedStatuses, check.serviceName, DEFAULT_LOAD_REPORTS.metrics]).toEqual([{}, [[200, 200]], '', []])
    expect(cells.find(({ written }) => written.startsWith('endpoints under subset'))?.value).toBe(`${DEFAULT_SUBSET_SIZE}`)
  })

  it('says what the mesh makes of no options', () => {
    const parsed = parseMeshOptions({}) as unknown as Record<string, unknown>
    const documented = cells.filter(({ field }) => field.startsWith('options.'))
    expect(documented.map(({ field }) => field)).toEqual([
      'options.namespace',
      'options.unknownHosts',
      'options.context',
      ...flat({ flow: parsed['flow'] }, 'options.').map(([field]) => field),
      'options.inbound.lifecycle.drainDelayMs',
      'options.inbound.lifecycle.warmUpTimeoutMs',
      ...flat((parsed['inbound'] as { health: object }).health, 'options.inbound.health.').map(([field]) => field),
    ])
    for (const { field, value } of documented) {
      const found = field
        .split('.')
        .slice(1)
        .reduce<unknown>((within, key) => (within as Record<string, unknown>)[key], parsed)
      expect([field, Array.isArray(found) ? found.join(', ') : found]).toEqual([field, asInCode(field, value)])
    }
  })

  it('says what is kept of a body', () => {
    const fixed = Object.fromEntries(cells.map(({ written, value }) => [written, value]))
    expect(fixed['kept of a streamed body for a re-send']).toBe(`${REPLAY_LIMIT / 1024} KiB`)
    expect(fixed['kept of all streamed bodies of a mesh']).toBe(`${new ReplayMemory().limit / 1024 ** 2} MiB`)
  })
})

describe('docs/errors.md', () => {
  it('has every code, with its status and whether a later try may help', () => {
    const documented = rows('docs/errors.md', ['code', 'meaning', 'retryable', 'status', 'what to do'])
    expect(
      Object.fromEntries(
        documented.map(([code = '', , retryable, status]) => [code, { status: Number(status), retryable: retryable === 'yes' }]),
      ),
    ).toEqual(ERRORS)
  })

  it('has every response flag once, and beside it the codes that have it', () => {
    const documented = new Map(
      rows('docs/errors.md', ['flag', 'in Envoy', 'here']).flatMap(([flags = '', , here = '']) =>
        flags.split(', ').map((flag) => [flag, here]),
      ),
    )
    expect([...documented.keys()].sort()).toEqual(Object.keys(RESPONSE_FLAGS).sort())
    for (const code of Object.keys(ERRORS) as MeshErrorCode[]) {
      const [flag] = flagsOf(code)
      // A fault may have any code.
      if (flag !== undefined && flag !== 'FI' && code !== 'MESH_NOT_REPLAYABLE')
        expect([flag, documented.get(flag)]).toEqual([flag, expect.stringMatching(SAID_OF[code] ?? code)])
    }
  })
})

/** Codes that the table of flags has in other words. */
const SAID_OF: Partial<Record<MeshErrorCode, string>> = { MESH_CIRCUIT_OPEN: 'an open breaker', MESH_OVERLOADED: 'limits' }
