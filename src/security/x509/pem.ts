import { builtinModule } from '../../core/builtin-module.ts'

const PEM_CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g
const PEM_CRL = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g

/**
 * Every certificate of a part as PEM. A bundle is read one by one, since Node stops in silence at the first that is broken;
 * DER becomes PEM, since Node's secure contexts take no other.
 * @throws Error when there is none, or one is broken
 */
export function readCertificates(part: string | Uint8Array): string[] {
  const written = typeof part === 'string' ? part : Buffer.from(part).toString('latin1')
  if (!written.includes('-----BEGIN')) return [new (builtinModule('node:crypto').X509Certificate)(part).toString()]
  const blocks = written.match(PEM_CERTIFICATE) ?? []
  if (blocks.length === 0 || blocks.length !== written.split('-----BEGIN').length - 1) throw new Error('not only whole certificates')
  return blocks.map((block) => new (builtinModule('node:crypto').X509Certificate)(block).toString())
}

/**
 * Every revocation list of a part as DER.
 * @throws Error when there is none, or something else stands beside them
 */
export function readRevocationLists(part: string | Uint8Array): Buffer[] {
  const written = typeof part === 'string' ? part : Buffer.from(part).toString('latin1')
  if (!written.includes('-----BEGIN')) return [Buffer.from(part as Uint8Array)]
  const blocks = [...written.matchAll(PEM_CRL)]
  if (blocks.length === 0 || blocks.length !== written.split('-----BEGIN').length - 1) throw new Error('not only whole revocation lists')
  return blocks.map(([, base64 = '']) => Buffer.from(base64, 'base64'))
}
