import { AddressRanges, parseRange } from '../../core/address-ranges.ts'
import { rulePath } from '../canonical/rule-path.ts'
import type { Condition } from './condition.ts'
import { AddressIn, type AddressOf, HostIs, MethodIs, PathIs, PortIs } from './matches.ts'
import { type PathTemplate, readTemplate } from './path-template.ts'
import type { Reader } from './reader.ts'
import { matcherOf, type Pattern, readPattern, type TextMatcher } from './text-matcher.ts'

/** A list of values in the words of Istio, as one condition; `namespace` is that of the policy. */
export type ReadValues = (value: unknown, at: Reader, namespace: string) => Condition

/** Patterns as one matcher. */
export function readPatterns(
  value: unknown,
  at: Reader,
  what: string,
  usable: (text: string, kind: Pattern['kind']) => string | undefined = () => undefined,
): TextMatcher {
  return matcherOf(
    at.list(value, what, (each, place) => {
      const pattern = readPattern(each, place, `text such as abc, abc*, *abc or *`)
      const problem = pattern === undefined || pattern.kind === 'any' ? undefined : usable(pattern.text, pattern.kind)
      return problem === undefined ? pattern : place.tell(problem)
    }),
  )
}

/** Hosts. */
export const readHosts: ReadValues = (value, at) => {
  const lower = (each: unknown): unknown => (typeof each === 'string' ? each.toLowerCase().replace(/(?<=[^*.])\.$/, '') : each)
  const list = Array.isArray(value) ? value.map(lower) : value
  return new HostIs(readPatterns(list, at, 'hosts', hostProblem))
}

/** Why nothing that is addressed can match `text`, if so. */
export function hostProblem(text: string): string | undefined {
  return /[\s/?#@\\]/.test(text) ? `${JSON.stringify(text)} is in no host` : undefined
}

/** Methods. */
export const readMethods: ReadValues = (value, at) => {
  const list = Array.isArray(value) ? value.map((each) => (typeof each === 'string' ? each.toUpperCase() : (each as unknown))) : value
  return new MethodIs(readPatterns(list, at, 'methods', methodProblem))
}

/** Why no method can match `text`, if so. */
export function methodProblem(text: string): string | undefined {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*$/.test(text) ? undefined : `${JSON.stringify(text)} is in no method`
}

/** Paths and path templates. */
export const readPaths: ReadValues = (value, at) => {
  const templates: PathTemplate[] = []
  const patterns = at.list(value, 'paths', (each, place) => {
    if (typeof each === 'string' && /[{}]/.test(each)) {
      const template = readPathTemplate(each, place)
      if (template !== undefined) templates.push(template)
      return undefined
    }
    const pattern = readPattern(each, place, 'a path such as /a, /a*, *.b or *')
    const asked = pattern !== undefined && pattern.kind !== 'any' && !at.folded
    const problem = asked ? pathProblem(pattern.text, pattern.kind) : undefined
    return problem === undefined ? pattern : place.tell(problem)
  })
  return new PathIs(matcherOf(patterns, templates))
}

/** A path template, whose literals are canonical. */
export function readPathTemplate(text: string, at: Reader): PathTemplate | undefined {
  const problem = at.folded ? undefined : pathProblem(text.replaceAll(/\{[^{}/]*\}/g, 'x'), 'exact', text)
  return problem === undefined ? readTemplate(text, at) : at.tell(problem)
}

/** Why no canonical path can match `text`, if so: a rule that is never asked is worse than none. */
export function pathProblem(text: string, way: string, written = text): string | undefined {
  if (way === 'contains' || way === 'suffix') return inside(text)
  if (way === 'regex') return undefined
  if (!text.startsWith('/')) return `expected a path that begins with /, got ${JSON.stringify(written)}`
  const canonical = rulePath(text)
  if (way === 'prefix') {
    // Where the prefix ends in the middle of a segment, more may follow.
    const cut = text.lastIndexOf('/') + 1
    const head = rulePath(text.slice(0, cut))
    return head === text.slice(0, cut) && inside(text) === undefined ? undefined : notCanonical(written)
  }
  if (canonical === text) return undefined
  return canonical === undefined ? notCanonical(written) : `${notCanonical(written)}; did you mean ${JSON.stringify(canonical)}?`
}

function inside(text: string): string | undefined {
  return /[?#\\]|\/\/|\/\.\.?\//.test(text) || rulePath(`/x${text.replaceAll('/', '')}`) !== `/x${text.replaceAll('/', '')}`
    ? notCanonical(text)
    : undefined
}

function notCanonical(written: string): string {
  return `no request has such a path, since paths are compared in their canonical form: ${JSON.stringify(written)}`
}

/** Ports. */
export const readPorts: ReadValues = (value, at) => new PortIs(at.list(value, 'ports', (each, place) => portRange(each, place)))

function portRange(value: unknown, at: Reader): readonly [number, number] | undefined {
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value
  const checked = at.integer(port, 1, 65_535)
  return checked === undefined ? undefined : [checked, checked]
}

/** Addresses and ranges. */
export function readAddresses(of: AddressOf): ReadValues {
  return (value, at) => new AddressIn(of, new AddressRanges(at.list(value, 'addresses', readRange)))
}

/** One address or range. */
export function readRange(value: unknown, at: Reader): ReturnType<typeof parseRange> {
  const range = typeof value === 'string' ? parseRange(value) : undefined
  return range ?? at.tell(`expected an address or a range such as 10.0.0.0/8, got ${JSON.stringify(value)?.slice(0, 60)}`)
}
