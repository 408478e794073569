import type { HeaderMatchSettings, MatchSettings, QueryMatchSettings } from '../model/route-settings.ts'
import { queryParameter } from './query.ts'
import type { RoutedRequest } from './request-view.ts'
import { compileText } from './text-match.ts'

/** Something that must hold of a request besides its path. */
export type Condition = (request: RoutedRequest) => boolean

/**
 * What a match asks besides the path, the cheapest first. The fraction comes last: it is a share of what all else holds for.
 * @throws Error for a pattern that nobody checked
 */
export function compileConditions({ methods, headers, query, fraction }: MatchSettings): readonly Condition[] {
  const conditions: Condition[] = []
  if (methods !== undefined) {
    const wanted = new Set(methods)
    // undici sends a method as it is written, and servers differ in how they read `get`.
    conditions.push(({ method }) => wanted.has(method) || wanted.has(method.toUpperCase()))
  }
  for (const each of headers) conditions.push(headerCondition(each))
  for (const each of query) conditions.push(queryCondition(each))
  if (fraction !== undefined) conditions.push((request) => request.share < fraction)
  return conditions
}

/** As in Envoy: what is absent matches no value, turned round or not, unless it is to be taken for an empty text. */
function headerCondition({ name, text, range, present, invert, missingAsEmpty }: HeaderMatchSettings): Condition {
  if (present !== undefined) return (request) => (request.header(name) !== undefined) === (present !== invert)
  const test = text === undefined ? rangeTest(range as { start: number; end: number }) : compileText(text)
  return (request) => {
    const value = request.header(name)
    if (value === undefined && !missingAsEmpty) return false
    return test(value ?? '') !== invert
  }
}

/** A whole number and nothing else, `end` not included. */
function rangeTest({ start, end }: { start: number; end: number }): (text: string) => boolean {
  return (text) => {
    if (!/^[+-]?\d{1,15}$/.test(text)) return false
    const number = Number(text)
    return number >= start && number < end
  }
}

function queryCondition({ name, text, present }: QueryMatchSettings): Condition {
  if (text === undefined) return ({ query }) => (queryParameter(query, name) !== undefined) === present
  const test = compileText(text)
  return ({ query }) => {
    const value = queryParameter(query, name)
    return value !== undefined && test(value)
  }
}
