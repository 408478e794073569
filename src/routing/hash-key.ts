import { cookieIn } from '../core/cookie.ts'
import type { HashSettings } from '../model/route-settings.ts'
import { queryParameter } from './query.ts'
import type { RoutedRequest } from './request-view.ts'

/** The key that a request is hashed by: the first that it has. */
export function hashKeyOf(from: readonly HashSettings[], request: RoutedRequest): string | undefined {
  for (const each of from) {
    const key = read(each, request)
    if (key !== undefined && key !== '') return key
  }
  return undefined
}

function read({ from, name }: HashSettings, request: RoutedRequest): string | undefined {
  if (from === 'header') return request.header(name)
  return from === 'query' ? queryParameter(request.query, name) : cookieIn(request.header('cookie'), name)
}
