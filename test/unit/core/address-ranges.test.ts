import { describe, expect, it } from 'vitest'
import { AddressPolicy, isAddressRange } from '../../../src/core/address.ts'
import { addressRanges } from '../../../src/core/address-ranges.ts'

describe('ranges of addresses', () => {
  it.each([
    ['10.0.0.0/8', '10.9.9.9', true],
    ['10.0.0.0/8', '::ffff:10.0.0.1', true],
    ['::ffff:10.0.0.0/104', '10.0.0.1', true],
    ['::ffff:a00:1', '10.0.0.1', true],
    ['0.0.0.0/0', '::ffff:1.2.3.4', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '::1', true],
    // An IPv6 range is of IPv6 addresses, as in Envoy.
    ['::/0', '10.0.0.1', false],
    ['::/0', '::ffff:10.0.0.1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['fe80::1%eth0', 'fe80::1', true],
    ['10.0.0.0/8', 'no address', false],
  ])('%s has %s: %s', (range, address, has) => {
    const ranges = addressRanges([range])
    expect([ranges.includes(address), ranges.includes('::2'), ranges.includes(address)]).toEqual([has, range === '::/0', has])
  })

  it.each(['10.0.0.0/33', '::/129', '::ffff:10.0.0.0/8', '10.0.0.0/', '10.0.0.0/8/8', 'a'])('%s is none', (text) => {
    expect(isAddressRange(text)).toBe(false)
  })

  it('a link-local address with a zone is refused like any', () => {
    expect(new AddressPolicy([]).refusal('fe80::1%eth0')).toContain('link-local')
    expect(new AddressPolicy(['::/0']).refusal('169.254.169.254')).toContain('metadata')
  })
})
