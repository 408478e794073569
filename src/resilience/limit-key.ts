import { addressGroup } from '../core/address-group.ts'
import type { InboundCall } from '../model/inbound-call.ts'
import type { DescriptorSettings } from '../model/inbound-limits.ts'
import { boundedKey } from './keyed-meters.ts'

/**
 * Reads from a request whom a limit counts it for. What it read last it keeps until it reads again, so that a request costs no list
 * of its own.
 */
export class LimitKey {
  private readonly by: readonly DescriptorSettings[]
  private readonly values: (string | undefined)[]
  /** Of these values. */
  private key: string | undefined = undefined

  constructor(by: readonly DescriptorSettings[]) {
    this.by = by
    this.values = new Array(by.length).fill(undefined)
  }

  /**
   * The key of `call`; undefined when it has none of the values.
   * @param route which path of the limit it lies below
   */
  read(call: InboundCall, route: string): string | undefined {
    const { by, values } = this
    let same = true
    for (let at = 0; at < by.length; at++) {
      const read = descriptorValue(call, by[at] as DescriptorSettings, route)
      const value = read === undefined ? undefined : boundedKey(read)
      if (value === values[at]) continue
      values[at] = value
      same = false
    }
    // The requests of a connection mostly have the same, and a text that is there need not be joined and hashed.
    if (!same) this.key = by.length === 1 ? values[0] : joined(values)
    return this.key
  }

  /** The part of what was read last that stands at `places`; undefined when one of the values is not there. */
  partial(places: readonly number[]): string | undefined {
    let key = ''
    for (const place of places) {
      const value = this.values[place]
      if (value === undefined) return undefined
      key += keyPart(value)
    }
    return key
  }
}

/** A value inside a key of several. With its length before it no value can pretend to be two. */
export function keyPart(value: string): string {
  return `${value.length}:${value}`
}

function joined(values: readonly (string | undefined)[]): string | undefined {
  let key = ''
  let some = false
  for (const value of values) {
    some ||= value !== undefined
    key += value === undefined ? '-' : keyPart(value)
  }
  return some ? key : undefined
}

function descriptorValue(call: InboundCall, { kind, name }: DescriptorSettings, route: string): string | undefined {
  switch (kind) {
    case 'route':
      return route
    case 'path':
      return call.pathname
    case 'method':
      return call.method
    case 'principal':
      return call.principal?.id
    case 'request-principal':
      return call.requestPrincipal?.id
    case 'address':
      return addressGroup(call.remoteAddress)
    case 'header':
      return call.header(name)
    case 'cookie':
      return cookieOf(call.header('cookie'), name)
  }
}

/** The value of the first cookie of that name (RFC 6265 §4.2). */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  for (let at = 0; at < header.length; ) {
    const semicolon = header.indexOf(';', at)
    const end = semicolon < 0 ? header.length : semicolon
    while (header[at] === ' ') at++
    if (header.startsWith(name, at) && header[at + name.length] === '=') return header.slice(at + name.length + 1, end).trimEnd()
    at = end + 1
  }
  return undefined
}
