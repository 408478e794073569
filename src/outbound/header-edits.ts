import type { HeaderEditSettings } from '../model/route-settings.ts'
import type { RawHeaders } from './handler.ts'

/**
 * Request headers in any form that undici takes, changed, as flat pairs: what was removed or set is gone, what was set and added comes
 * last. The caller's own object stays as it is.
 */
export function editRequestHeaders(headers: unknown, edits: readonly HeaderEditSettings[], without?: string): string[] {
  const pairs = flatPairs(headers).filter(([name]) => name.toLowerCase() !== without)
  return edits.reduce((sofar, edit) => edited(sofar, edit, (text) => text), pairs).flat()
}

/** Raw response headers, changed. */
export function editRawHeaders(raw: RawHeaders, edits: readonly HeaderEditSettings[]): RawHeaders {
  const pairs: [Buffer | string, Buffer | string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([raw[index] as Buffer | string, raw[index + 1] as Buffer | string])
  return edits.reduce((sofar, edit) => edited(sofar, edit, (text) => Buffer.from(text, 'latin1')), pairs).flat()
}

function edited<Text extends Buffer | string>(
  pairs: readonly [Text, Text][],
  { set, add, remove }: HeaderEditSettings,
  made: (text: string) => Text,
): [Text, Text][] {
  const gone = new Set([...remove, ...Object.keys(set)])
  const kept = pairs.filter(([name]) => !gone.has((typeof name === 'string' ? name : name.toString('latin1')).toLowerCase()))
  const written = [...Object.entries(set), ...Object.entries(add)]
  return [...kept, ...written.map(([name, value]): [Text, Text] => [made(name), made(value)])]
}

function flatPairs(headers: unknown): [string, string][] {
  if (headers === null || typeof headers !== 'object') return []
  if (Array.isArray(headers)) {
    const pairs: [string, string][] = []
    for (let index = 0; index + 1 < headers.length; index += 2)
      for (const value of [headers[index + 1]].flat()) pairs.push([String(headers[index]), String(value)])
    return pairs
  }
  const entries =
    typeof (headers as { [Symbol.iterator]?: unknown })[Symbol.iterator] === 'function'
      ? [...(headers as Iterable<[unknown, unknown]>)]
      : Object.entries(headers)
  return entries.flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((each): [string, string] => [String(name), String(each)]),
  )
}
