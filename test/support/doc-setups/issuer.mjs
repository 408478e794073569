// An issuer of tokens on loopback: its key set at a URL, and a function that signs.
import { generateKeyPairSync, sign } from 'node:crypto'
import { serve } from '../doc-server.mjs'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: '2026-11', use: 'sig' }]
const port = await serve((_, response) => response.end(JSON.stringify({ keys })))
globalThis.issuerUrl = `http://127.0.0.1:${port}`

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
globalThis.tokenOf = (subject, claims = {}) => {
  const exp = Math.floor(Date.now() / 1_000) + 600
  const input = `${part({ alg: 'ES256', kid: '2026-11' })}.${part({ iss: 'https://login.example.com', sub: subject, exp, ...claims })}`
  return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}
