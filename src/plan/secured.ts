import type { Policy, TlsSettings } from '../model/resources.ts'

/** The TLS settings of a service that is reached under TLS whatever the scheme of the URL; undefined: as the scheme says. */
export function secured({ tls }: Policy): TlsSettings | undefined {
  return tls === undefined || tls.mode === 'off' ? undefined : tls
}
