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
  return from === 'query' ? queryParameter(request.query, name) : cookie(request.header('cookie'), name)
}

function cookie(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const sign = pair.indexOf('=')
    if (sign > 0 && pair.slice(0, sign).trim() === name) return pair.slice(sign + 1).trim()
  }
  return undefined
}
