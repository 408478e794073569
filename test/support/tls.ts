import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { connect, isIP, type Socket } from 'node:net'
import { createServer } from 'node:tls'

/** What a leaf certificate says. */
export interface LeafOptions {
  /** Names in the certificate: DNS names, IPv4 addresses, or URIs (`spiffe://…`). */
  names: readonly string[]
  notBefore?: Date
  notAfter?: Date
  /** `digitalSignature` unless said otherwise; `false`: no such extension. */
  keyUsage?: readonly ('digitalSignature' | 'keyEncipherment' | 'keyCertSign' | 'cRLSign')[] | false
  /** For servers and clients unless said otherwise. */
  purposes?: readonly ('server' | 'client')[]
  /** Says that it is an authority. */
  authority?: boolean
  /** An extension that must be understood and that nobody knows. */
  strange?: boolean
}

/** What an intermediate authority says. */
export interface AuthorityOptions {
  notBefore?: Date
  notAfter?: Date
  pathLength?: number
  /** Does not say that it is an authority, and signs all the same. */
  pretends?: boolean
}

/** A certificate and its key, PEM. */
export interface Credentials {
  cert: string
  key: string
}

const DAY_MS = 86_400_000
const OID = {
  ecdsaWithSha256: '06082a8648ce3d040302',
  commonName: '0603550403',
  basicConstraints: '0603551d13',
  keyUsage: '0603551d0f',
  extendedKeyUsage: '0603551d25',
  subjectAltName: '0603551d11',
  serverAuth: '06082b06010505070301',
  clientAuth: '06082b06010505070302',
  strange: '06072a030405060708',
} as const

/** A certificate authority for one test, made by hand with node:crypto: tests need neither openssl nor the network. */
export class CertificateAuthority {
  /** Its own certificate, PEM. */
  readonly cert: string
  private readonly name: Buffer
  private readonly key: KeyObject

  constructor(commonName = 'inmesh test CA', options: AuthorityOptions = {}, above?: CertificateAuthority) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.name = distinguishedName(commonName)
    this.key = privateKey
    const length = options.pathLength === undefined ? [] : [der(0x02, Buffer.from([options.pathLength]))]
    const extensions = [
      extension(OID.basicConstraints, true, options.pretends === true ? der(0x30) : der(0x30, der(0x01, Buffer.from([0xff])), ...length)),
      extension(OID.keyUsage, true, Buffer.from(options.pretends === true ? '03020780' : '03020106', 'hex')),
    ]
    this.cert = (above ?? this).certify(this.name, publicKey, extensions, options)
  }

  /** An authority below this one. */
  intermediate(commonName: string, options: AuthorityOptions = {}): CertificateAuthority {
    return new CertificateAuthority(commonName, options, this)
  }

  /** A certificate for servers and clients alike, valid from yesterday to tomorrow unless told otherwise. */
  issue(leaf: LeafOptions): Credentials {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const extensions = [
      extension(OID.basicConstraints, true, leaf.authority === true ? der(0x30, der(0x01, Buffer.from([0xff]))) : der(0x30)),
      ...(leaf.keyUsage === false ? [] : [extension(OID.keyUsage, true, usageBits(leaf.keyUsage ?? ['digitalSignature']))]),
      extension(OID.extendedKeyUsage, false, der(0x30, ...(leaf.purposes ?? ['server', 'client']).map((each) => oid(OID[`${each}Auth`])))),
      ...(leaf.names.length === 0 ? [] : [extension(OID.subjectAltName, false, der(0x30, ...leaf.names.map(generalName)))]),
      ...(leaf.strange === true ? [extension(OID.strange, true, der(0x05))] : []),
    ]
    const cert = this.certify(distinguishedName('inmesh test leaf'), publicKey, extensions, leaf)
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
  }

  /** A revocation list, PEM, with these certificates on it; valid from yesterday until tomorrow unless told otherwise. */
  revoke(certificates: readonly string[], nextUpdate = new Date(Date.now() + DAY_MS)): string {
    const algorithm = der(0x30, oid(OID.ecdsaWithSha256))
    const yesterday = new Date(Date.now() - DAY_MS)
    const entries = certificates.map((pem) => {
      const serial = Buffer.from(new X509Certificate(pem).serialNumber, 'hex')
      return der(0x30, der(0x02, (serial[0] as number) >= 0x80 ? Buffer.concat([Buffer.from([0]), serial]) : serial), time(yesterday))
    })
    const list = entries.length === 0 ? [] : [der(0x30, ...entries)]
    const body = der(0x30, der(0x02, Buffer.from([1])), algorithm, this.name, time(yesterday), time(nextUpdate), ...list)
    return pem('X509 CRL', der(0x30, body, algorithm, der(0x03, Buffer.from([0]), sign('sha256', body, this.key))))
  }

  private certify(subject: Buffer, publicKey: KeyObject, extensions: Buffer[], times: AuthorityOptions): string {
    const { notBefore = new Date(Date.now() - DAY_MS), notAfter = new Date(Date.now() + DAY_MS) } = times
    const serial = randomBytes(16)
    serial[0] = ((serial[0] as number) & 0x7f) | 0x40
    const algorithm = der(0x30, oid(OID.ecdsaWithSha256))
    const body = der(
      0x30,
      der(0xa0, der(0x02, Buffer.from([2]))),
      der(0x02, serial),
      algorithm,
      this.name,
      der(0x30, time(notBefore), time(notAfter)),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      der(0xa3, der(0x30, ...extensions)),
    )
    const signature = sign('sha256', body, this.key)
    const whole = der(0x30, body, algorithm, der(0x03, Buffer.from([0]), signature))
    return pem('CERTIFICATE', whole)
  }
}

/** A TLS server before a plain one: what it deciphers goes there, byte by byte. */
export interface TlsFront {
  address: string
  /** Handshakes that were completed. */
  handshakes: number
  /** Bytes of application data that came in. */
  bytesIn: number
  /** SHA-256 of each client certificate, where one was asked for. */
  clients: string[]
  close(): Promise<void>
}

/** Puts TLS before `target`; with `clientCa`, clients must show a certificate of it. */
export async function tlsFront(target: string, credentials: Credentials, clientCa?: string): Promise<TlsFront> {
  const [host = '', port = ''] = target.split(':')
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  }
  const mutual = clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true, ca: clientCa }
  const server = createServer({ ...credentials, ...mutual }, (secure) => {
    front.handshakes++
    const peer = secure.getPeerCertificate()
    if (peer?.raw !== undefined) front.clients.push(createHash('sha256').update(peer.raw).digest('hex'))
    const plain = connect(Number(port), host)
    keep(plain)
    secure.on('error', () => {})
    secure.on('data', (chunk: Buffer) => {
      front.bytesIn += chunk.length
    })
    secure.pipe(plain).pipe(secure)
    secure.on('close', () => plain.destroy())
    plain.on('close', () => secure.destroy())
  })
  server.on('connection', keep)
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const front: TlsFront = {
    address: `127.0.0.1:${(server.address() as { port: number }).port}`,
    handshakes: 0,
    bytesIn: 0,
    clients: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
  return front
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** RFC 5280 §4.2.1.3: the first bit is the highest. */
function usageBits(names: readonly string[]): Buffer {
  const order = ['digitalSignature', 'nonRepudiation', 'keyEncipherment', 'dataEncipherment', 'keyAgreement', 'keyCertSign', 'cRLSign']
  const bits = names.reduce((sum, name) => sum | (0x80 >> order.indexOf(name)), 0)
  // Without bits that are zero at the end, as DER has it.
  const unused = bits === 0 ? 0 : 31 - Math.clz32(bits & -bits)
  return der(0x03, Buffer.from(bits === 0 ? [0] : [unused, bits]))
}

/** One DER value: tag, length, contents (X.690 §8.1). */
function der(tag: number, ...contents: Buffer[]): Buffer {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const length = Buffer.from(body.length.toString(16).padStart(body.length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body])
}

function oid(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der(0x01, Buffer.from([0xff]))] : []
  return der(0x30, oid(id), ...flag, der(0x04, value))
}

function distinguishedName(commonName: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid(OID.commonName), der(0x0c, Buffer.from(commonName)))))
}

/** RFC 5280 §4.2.1.6: [2] a DNS name, [6] a URI, [7] an address. */
function generalName(name: string): Buffer {
  if (/^[a-z]+:/i.test(name)) return der(0x86, Buffer.from(name))
  if (isIP(name) === 4) return der(0x87, Buffer.from(name.split('.').map(Number)))
  return der(0x82, Buffer.from(name))
}

/** RFC 5280 §4.1.2.5: two digits of the year until 2049, four from then on. */
function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  const year = date.getUTCFullYear()
  return year >= 1950 && year < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text))
}
