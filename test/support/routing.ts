import { parse } from '../../src/config/schema/problems.ts'
import { match } from '../../src/config/schema/route-match.ts'
import type { MatchOptions } from '../../src/index.ts'
import type { MatchSettings } from '../../src/model/route-settings.ts'
import { RequestView, type RoutedRequest } from '../../src/routing/request-view.ts'
import { Rules } from '../../src/routing/rules.ts'

/** A request as rules see it. */
export interface AskedRequest {
  path?: string
  method?: string
  headers?: Record<string, string>
  /** From 0 to 1: the draw of its fraction. */
  draw?: number
}

/** A view of one request; `headers` in lower case. */
export function viewOf({ path = '/', method = 'GET', headers = {}, draw = 0 }: AskedRequest = {}): RoutedRequest {
  const read = (given: unknown, name: string): string | undefined => (given as Record<string, string>)[name]
  return new RequestView(read, () => draw).of(method, path, headers)
}

/** Options of a match as the schema leaves them. */
export function matchOf(options: MatchOptions): MatchSettings {
  const parsed = parse(match, options)
  if ('problems' in parsed) throw new Error(parsed.problems.join('\n'))
  return parsed.output
}

/** Whether one match, alone in a route, takes a request. */
export function matches(options: MatchOptions, request: AskedRequest, caseSensitive = true): boolean {
  return new Rules([{ matches: [matchOf(options)], caseSensitive }]).find(viewOf(request)) !== undefined
}
