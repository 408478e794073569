import { AddressRanges } from '../../core/address-ranges.ts'
import type { AuthorizationNode } from '../../model/authorization.ts'
import { ClaimIs } from './claim-is.ts'
import { ALWAYS, allOf, anyOf, type Condition, Not } from './condition.ts'
import { HeaderIs, HeaderPresent, NumberInRange, type ValueTest } from './header-is.ts'
import { headerName, valueProblem } from './istio-rule.ts'
import { AddressIn, AuthenticatedIs, HostIs, MethodIs, PathIs, PortIs, TextIs } from './matches.ts'
import type { Reader } from './reader.ts'
import { readText, TEXT_KEYS, TextMatcher } from './text-matcher.ts'
import { hostProblem, methodProblem, pathProblem, readPathTemplate, readRange } from './values.ts'

/** Deeper ones are no policy that anybody wrote. */
const MAX_DEPTH = 32

type ReadNode = (value: unknown, at: Reader, depth: number) => Condition | undefined

const NODES: { readonly [Key in keyof Required<AuthorizationNode>]: ReadNode } = {
  any: (value, at) => (value === true ? ALWAYS : at.tell('expected true')),
  and: (value, at, depth) => allOf(at.list(value, 'conditions', (each, place) => readNode(each, place, depth))),
  or: (value, at, depth) => anyOf(at.list(value, 'conditions', (each, place) => readNode(each, place, depth))),
  not: (value, at, depth) => {
    const part = readNode(value, at, depth)
    return part === undefined ? undefined : new Not(part)
  },
  header: readHeader,
  path: readPath,
  host: (value, at) => {
    const matcher = textOf(value, at, { fold: true, usable: hostProblem })
    return matcher && new HostIs(matcher)
  },
  method: (value, at) => {
    const upper = typeof value === 'object' && value !== null ? upperCase(value as Record<string, unknown>) : value
    const matcher = textOf(upper, at, { usable: (text, way) => (way === 'regex' ? undefined : methodProblem(text)) })
    return matcher && new MethodIs(matcher)
  },
  claim: readClaim,
  sourceIp: (value, at) => readAddress('peerAddress', value, at),
  remoteIp: (value, at) => readAddress('remoteAddress', value, at),
  destinationIp: (value, at) => readAddress('localAddress', value, at),
  destinationPort: (value, at) => {
    const port = at.integer(value, 1, 65_535)
    return port === undefined ? undefined : new PortIs([[port, port]])
  },
  destinationPortRange: (value, at) => {
    const range = readIntegers(value, at, 0, 65_536)
    return range && new PortIs([[range.start, range.end - 1]])
  },
  serverName: (value, at) => {
    const matcher = textOf(value, at, { fold: true })
    return matcher && new TextIs(({ serverName }) => serverName, matcher)
  },
  authenticated: (value, at) => {
    const fields = at.fields(value, ['principal'])
    if (fields === undefined) return undefined
    if (fields.principal === undefined) return new AuthenticatedIs(new TextMatcher({ any: true }))
    const matcher = textOf(fields.principal, at.at('principal'))
    return matcher && new AuthenticatedIs(matcher)
  },
}

const KEYS = Object.keys(NODES) as (keyof AuthorizationNode)[]

/** Reads one condition of the tree, as Envoy's RBAC has them: an object with exactly one key. */
export function readNode(value: unknown, at: Reader, depth = 0): Condition | undefined {
  const fields = at.fields(value, KEYS)
  if (fields === undefined) return undefined
  const [key, more] = KEYS.filter((each) => fields[each] !== undefined)
  if (key === undefined || more !== undefined) return at.tell(`expected exactly one of ${KEYS.join(', ')}`)
  if (depth > MAX_DEPTH) return at.tell('is nested too deeply')
  return NODES[key](fields[key], at.at(key), depth + 1)
}

function readHeader(value: unknown, at: Reader): Condition | undefined {
  const fields = at.fields(value, ['name', 'range', 'present', 'invert', ...TEXT_KEYS])
  if (fields === undefined) return undefined
  const { name: written, range, present, invert: inverted, ...text } = fields
  const name = headerName(written, at.at('name'))
  const invert = at.at('invert').flag(inverted)
  const ways = [range, present, Object.keys(text).some((key) => key !== 'ignoreCase') ? text : undefined].filter((way) => way !== undefined)
  if (ways.length !== 1) return at.tell('expected exactly one of exact, prefix, suffix, contains, regex, range, present')
  if (present !== undefined) {
    const wanted = at.at('present').flag(present) !== invert
    return name === undefined ? undefined : new HeaderPresent(name, wanted)
  }
  const test: ValueTest | undefined =
    range === undefined
      ? readText(text, at, { usable: (literal, way) => (way === 'regex' ? undefined : valueProblem(literal)) })
      : numberRange(range, at.at('range'))
  return name === undefined || test === undefined ? undefined : new HeaderIs(name, test, invert)
}

function readPath(value: unknown, at: Reader): Condition | undefined {
  const fields = at.fields(value, ['template', ...TEXT_KEYS])
  if (fields === undefined) return undefined
  const { template, ...text } = fields
  if (template === undefined) {
    const usable = (literal: string, way: string): string | undefined =>
      text.ignoreCase === true || at.folded ? undefined : pathProblem(literal, way)
    const matcher = readText(text, at, { usable })
    return matcher && new PathIs(matcher)
  }
  if (Object.keys(text).length > 0) return at.tell('template stands alone')
  const literal = at.at('template').text(template, 'a path template such as /a/{*}/b')
  const read = literal === undefined ? undefined : readPathTemplate(literal, at.at('template'))
  return read && new PathIs(new TextMatcher({ tests: [read] }))
}

function readClaim(value: unknown, at: Reader): Condition | undefined {
  const fields = at.fields(value, ['path', 'present', ...TEXT_KEYS])
  if (fields === undefined) return undefined
  const { path: written, present, ...text } = fields
  const path = at.at('path').list(written, 'names', (each, place) => place.text(each, 'the name of a claim'))
  if (present === undefined) {
    const matcher = readText(text, at)
    return matcher && new ClaimIs(path, matcher)
  }
  if (Object.keys(text).length > 0) return at.tell('present stands alone')
  const there = new ClaimIs(path, undefined)
  return at.at('present').flag(present) ? there : new Not(there)
}

function readAddress(of: 'peerAddress' | 'remoteAddress' | 'localAddress', value: unknown, at: Reader): Condition | undefined {
  const range = readRange(value, at)
  return range && new AddressIn(of, new AddressRanges([range]))
}

function textOf(value: unknown, at: Reader, options: Parameters<typeof readText>[2] = {}): TextMatcher | undefined {
  const fields = at.fields(value, TEXT_KEYS)
  return fields && readText(fields, at, options)
}

function numberRange(value: unknown, at: Reader): NumberInRange | undefined {
  const range = readIntegers(value, at, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  return range && new NumberInRange(range.start, range.end)
}

function readIntegers(value: unknown, at: Reader, from: number, to: number): { start: number; end: number } | undefined {
  const fields = at.fields(value, ['start', 'end'])
  if (fields === undefined) return undefined
  const start = at.at('start').integer(fields.start, from, to)
  const end = at.at('end').integer(fields.end, from, to)
  if (start === undefined || end === undefined) return undefined
  return start < end ? { start, end } : at.tell('expected an end above the start: the range ends before it')
}

/** Everything but a regular expression in upper case, as methods are compared. */
function upperCase(fields: Record<string, unknown>): Record<string, unknown> {
  const changed = Object.entries(fields).map(([key, value]) => [
    key,
    typeof value === 'string' && key !== 'regex' ? value.toUpperCase() : value,
  ])
  return Object.fromEntries(changed) as Record<string, unknown>
}
