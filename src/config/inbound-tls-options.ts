import { DEFAULT_INBOUND_TLS } from '../model/defaults.ts'
import type { InboundTlsSettings } from '../model/identity.ts'
import { inboundTlsFields } from './schema/inbound-tls.ts'
import { configError, parse } from './schema/problems.ts'

/**
 * What one server wants of TLS, laid over what the mesh's options say.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function parseInboundTls(options: unknown, below: InboundTlsSettings | undefined): InboundTlsSettings {
  const result = parse(inboundTlsFields, options ?? {})
  if ('problems' in result) throw configError(result.problems.map((problem) => `tls.${problem}`))
  return Object.freeze({ ...DEFAULT_INBOUND_TLS, ...below, ...result.output })
}
