import { isAddressRange } from '../../core/address.ts'
import { parseSpiffeId } from '../../security/spiffe/spiffe-id.ts'
import { checked, listOf } from './blocks.ts'

/** Proxies by their addresses, or by the identities that they prove. */
export const trustedProxies = listOf(
  'proxies',
  checked('an address, a range such as 10.0.0.0/8, or a SPIFFE id', (input) =>
    typeof input === 'string' && (isAddressRange(input) || !('problem' in parseSpiffeId(input))) ? input : undefined,
  ),
)
