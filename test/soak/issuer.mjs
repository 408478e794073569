import { webcrypto as crypto } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { pause } from './load.mjs'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const HOUR_MS = 3_600_000
const newKeys = () => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
const validity = () => ({ notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) })

/** Written beside it and renamed over it, as issuers do. */
function replace(path, content) {
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

/** An authority that issues SVIDs into files: `cert.pem`, `key.pem` and `ca.pem` of a directory. */
export class Issuer {
  static async create() {
    const issuer = new Issuer()
    issuer.keys = await newKeys()
    const usage = new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true)
    issuer.certificate = await X509CertificateGenerator.createSelfSigned({
      name: 'CN=soak',
      keys: issuer.keys,
      signingAlgorithm: ALGORITHM,
      ...validity(),
      extensions: [new BasicConstraintsExtension(true, undefined, true), usage],
    })
    return issuer
  }

  /** @param apartMs how long the certificate stands there before its key does */
  async issue(directory, id, apartMs = 0) {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.create({
      subject: 'CN=workload',
      issuer: this.certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.keys.privateKey,
      signingAlgorithm: ALGORITHM,
      ...validity(),
      extensions: [
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new SubjectAlternativeNameExtension([{ type: 'url', value: id }]),
      ],
    })
    const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
    replace(join(directory, 'ca.pem'), this.certificate.toString('pem'))
    replace(join(directory, 'cert.pem'), certificate.toString('pem'))
    if (apartMs > 0) await pause(apartMs)
    replace(join(directory, 'key.pem'), key)
  }
}

/** The options of a mesh whose identity lies in `directory`. */
export function identityIn(directory, trustDomain) {
  const at = (name) => join(directory, name)
  return { identity: { certFile: at('cert.pem'), keyFile: at('key.pem') }, trust: { [trustDomain]: { caFile: at('ca.pem') } } }
}
