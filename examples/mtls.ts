// Mutual TLS: a service knows its caller by a SPIFFE id, a stranger is sent away, and so is a server that is not the one meant.
import { webcrypto } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import * as x509 from '@peculiar/x509'
import { createMesh, isMeshError, type Mesh } from 'inmesh'

const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const newKeys = () => webcrypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify'])
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }

/** What an issuer such as SPIRE or a mesh's own authority does. */
async function authority(name: string) {
  const keys = await newKeys()
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ name: `CN=${name}`, keys, signingAlgorithm, ...validity },
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  })
  const issue = async (id: string): Promise<{ cert: string; key: string }> => {
    const own = await newKeys()
    const names = new x509.SubjectAlternativeNameExtension([{ type: 'url', value: id }])
    const certificate = await x509.X509CertificateGenerator.create({
      ...{ subject: 'CN=workload', issuer: root.subject, publicKey: own.publicKey, signingKey: keys.privateKey },
      ...{ signingAlgorithm, ...validity, extensions: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true), names] },
    })
    const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', own.privateKey), 'PRIVATE KEY')
    return { cert: certificate.toString('pem'), key }
  }
  return { ca: root.toString('pem'), issue }
}

const ours = await authority('example.org')
const others = await authority('example.org, says somebody else')
const trust = { 'example.org': { ca: ours.ca } }

const orders = createMesh({ identity: await ours.issue('spiffe://example.org/ns/shop/sa/orders'), trust })
orders.on('peerRejected', ({ reason }) => console.log('sent away:', reason))
const server = orders.server((request, response) => {
  response.end(`hello ${orders.principalOf(request.socket)?.serviceAccount}`)
})
await once(server.listen(0, '127.0.0.1'), 'listening')
const endpoints = [`127.0.0.1:${(server.address() as AddressInfo).port}`]

async function call(mesh: Mesh): Promise<void> {
  const said = mesh.fetch('http://orders/').then((response) => response.text())
  console.log(await said.catch((error: Error) => (isMeshError(error.cause) ? error.cause.code : error.message)))
  await mesh.close()
}
const services = { orders: { endpoints, retry: false as const, tls: { mode: 'mutual' as const, sans: ['*/sa/orders'] } } }
const meant = { orders: { ...services.orders, tls: { mode: 'mutual' as const, sans: ['*/sa/billing'] } } }
const web = await ours.issue('spiffe://example.org/ns/shop/sa/web')
await call(createMesh({ identity: web, trust, services }))
await call(createMesh({ identity: await others.issue('spiffe://example.org/ns/shop/sa/web'), trust, services }))
await call(createMesh({ identity: web, trust, services: meant }))
server.close()
await orders.close()
