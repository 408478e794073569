import type { HeaderFindings } from './headers.ts'

/** What a request is known to be like whose header names are those of one that was found in order. */
export interface HeaderShape {
  /** As they came in, one after the other. */
  readonly names: readonly string[]
  /** How long they are together. */
  readonly size: number
  /** Where in the list of names and values the value of `Host` stands; -1 where there is none. */
  readonly hostAt: number
}

/** No more is kept of a connection, since names are a stranger's text. */
const MOST_NAMES = 64
const LARGEST = 2_048

/**
 * The shape of headers that were scanned and found in order: nothing twice that may be there once, nothing to be taken out. All of that
 * goes by names alone, and the requests of a connection mostly have the same. Undefined when it is not worth keeping.
 * @param hosted whether there is a `Host`
 */
export function shapeOf(raw: readonly string[], hosted: boolean): HeaderShape | undefined {
  if (raw.length > 2 * MOST_NAMES) return undefined
  const names: string[] = []
  let size = 0
  let hostAt = -1
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string
    names.push(name)
    size += name.length
    if (hosted && name.length === 4 && name.toLowerCase() === 'host') hostAt = at + 1
  }
  return size > LARGEST ? undefined : { names, size, hostAt }
}

/**
 * Whether these headers are as {@link shapeOf} had them and not too large, so that scanning would find nothing but the host, which is
 * then noted. Whenever it says no the scan decides. To compare a name is a third of the price of looking into it.
 */
export function isShaped(raw: readonly string[], shape: HeaderShape, maxBytes: number, findings: HeaderFindings): boolean {
  const { names } = shape
  if (raw.length !== 2 * names.length) return false
  let { size } = shape
  for (let at = 0; at < names.length; at++) {
    if (raw[2 * at] !== names[at]) return false
    size += (raw[2 * at + 1] as string).length
  }
  if (size > maxBytes) return false
  if (shape.hostAt >= 0) findings.writtenHost = raw[shape.hostAt]
  return true
}
