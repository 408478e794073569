import { isAddressRange } from '../../core/address.ts'
import { checked, listOf } from './blocks.ts'

const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/

/** Proxies by their addresses, or by the identities that they prove. */
export const trustedProxies = listOf(
  'proxies',
  checked('an address, a range such as 10.0.0.0/8, or a SPIFFE id', (input) =>
    typeof input === 'string' && (isAddressRange(input) || SPIFFE_ID.test(input)) ? input : undefined,
  ),
)
