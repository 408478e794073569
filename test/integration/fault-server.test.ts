import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { accepting, blackHole, connects, refusing } from '../support/connect-faults.ts'
import { FaultServer, type Step } from '../support/fault-server.ts'
import { CertificateAuthority, tlsFront } from '../support/tls.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const GET = 'GET /path HTTP/1.1\r\nhost: orders\r\n\r\n'

/** What a plain socket saw: text, and how the connection ended within the time. */
interface Heard {
  text: string
  bytes: number
  end: 'fin' | 'rst' | 'open'
}

/** Sends `text` and listens for `forMs`, or until the other side ends. */
function talk(port: number, text: string, forMs: number, enough = Number.POSITIVE_INFINITY): Promise<Heard> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const socket: Socket = connectTcp(port, '127.0.0.1', () => socket.write(text))
    const done = (end: Heard['end']): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ text: Buffer.concat(chunks).toString('latin1'), bytes, end })
    }
    const timer = setTimeout(() => done('open'), forMs)
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= enough) done('open')
    })
    socket.on('end', () => done('fin'))
    socket.on('error', () => done('rst'))
  })
}

async function start(...script: Step[]): Promise<FaultServer> {
  const server = await FaultServer.start(...script)
  cleanups.push(() => server.close())
  return server
}

const count = (text: string, part: string): number => text.split(part).length - 1

describe('a fault server does what its name says', () => {
  it.each<[Step, Heard['end'], RegExp]>([
    [200, 'open', /^HTTP\/1\.1 200 Status\r\ncontent-length: 10\r\n\r\nstatus 200$/],
    [503, 'open', /^HTTP\/1\.1 503 /],
    ['silent', 'open', /^$/],
    ['rst-after-request', 'rst', /^$/],
    ['fin-after-request', 'fin', /^$/],
    ['slow-head', 'open', /^HTTP\/1\.1 2/],
    ['endless-head', 'open', /^HTTP\/1\.1 200 OK\r\n(x-\d+: y\r\n){3,}$/],
    ['endless-103', 'open', /^(HTTP\/1\.1 103 Early Hints\r\nlink: <\/a>\r\n\r\n){5,}$/],
    ['early-hints', 'open', /^HTTP\/1\.1 103 .*HTTP\/1\.1 200 .*ok$/s],
    ['garbage', 'fin', /^SSH-2\.0/],
    ['status-000', 'open', /^HTTP\/1\.1 000 /],
    ['two-cookies', 'open', /set-cookie: a=1; Path=\/\r\nset-cookie: b=2, with comma\r\n/],
    ['head-then-stall', 'open', /content-length: 10\r\n\r\n$/],
    ['byte-by-byte', 'open', /\r\n\r\nx{1,4}$/],
    ['rst-in-body', 'rst', /\r\n\r\npartial$/],
    ['fin-in-body', 'fin', /\r\n\r\npartial$/],
    ['truncated-chunk', 'fin', /\r\n64\r\nonly this$/],
    ['missing-last-chunk', 'fin', /\r\n5\r\nhello\r\n$/],
    ['bad-chunk-size', 'open', /\r\nZZ\r\n/],
    ['bytes-after-end', 'open', /\r\n\r\nokHTTP\/1\.1 200 OK.*intruder!$/s],
    ['early-answer', 'fin', /^HTTP\/1\.1 413 /],
    ['trailers', 'open', /0\r\nx-checksum: abc\r\n\r\n$/],
  ])('%s', async (step, end, shape) => {
    const server = await start(step)
    const heard = await talk(server.port, GET, 250)
    expect(heard.text).toMatch(shape)
    expect(heard.end).toBe(end)
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /path'])
    expect(server.connections).toBe(1)
  })

  it('many-headers sends 5,000 of them', async () => {
    const { text } = await talk((await start('many-headers')).port, GET, 500)
    expect(count(text, 'x-header-')).toBe(5_000)
  })

  it('gzip-bomb is a thousand times smaller than what it becomes', async () => {
    const { text, bytes } = await talk((await start('gzip-bomb')).port, GET, 2_000, 60_000)
    expect(text).toMatch(/content-encoding: gzip/)
    expect(bytes).toBeLessThan(200_000)
    expect(Number(/content-length: (\d+)/.exec(text)?.[1]) * 900).toBeLessThan(64 * 1024 * 1024)
  })

  it('truncated-gzip says the truth about its length and stops before the end', async () => {
    const { text } = await talk((await start('truncated-gzip')).port, GET, 200)
    const [head = '', ...body] = text.split('\r\n\r\n')
    expect(Number(/content-length: (\d+)/.exec(head)?.[1])).toBe(body.join('\r\n\r\n').length)
  })

  it('endless-body does not end', async () => {
    const { bytes, end } = await talk((await start('endless-body')).port, GET, 5_000, 20 * 1024 * 1024)
    expect([bytes >= 20 * 1024 * 1024, end]).toEqual([true, 'open'])
  })

  it('large-body is 13 MiB to the byte', async () => {
    const { text, bytes } = await talk((await start('large-body')).port, GET, 1_000)
    expect(bytes - text.indexOf('\r\n\r\n') - 4).toBe(13 * 1024 * 1024)
  })

  it.each([
    ['upgrade-echo', 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n', /^HTTP\/1\.1 101 /],
    ['connect-echo', 'CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n', /^HTTP\/1\.1 200 /],
  ] as const)('%s gives back what it gets', async (step, head, shape) => {
    const { text } = await talk((await start(step)).port, `${head}ping`, 200)
    expect(text).toMatch(shape)
    expect(text).toMatch(/ping$/)
  })

  it('scripts go step by step, and the last one stays', async () => {
    const { port } = await start(503, 200)
    const statuses: (string | undefined)[] = []
    for (let turn = 0; turn < 3; turn++) statuses.push((await talk(port, GET, 2_000, 10)).text.split(' ')[1])
    expect(statuses).toEqual(['503', '200', '200'])
  })

  it('bodies are counted and hashed, sized and chunked alike', async () => {
    const server = await start('ok')
    await talk(server.port, 'POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello', 100)
    await talk(server.port, 'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n', 100)
    expect(server.requests.map(({ bodyBytes }) => bodyBytes)).toEqual([5, 5])
    expect(server.requests[0]?.bodyHash).toBe('2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
    expect(server.requests[1]?.bodyHash).toBe(server.requests[0]?.bodyHash)
  })

  it('two requests on one connection are told apart', async () => {
    const server = await start('ok')
    const { text } = await talk(server.port, GET + GET, 100)
    expect(count(text, 'HTTP/1.1 200')).toBe(2)
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1])
  })

  it('stop refuses, restart listens on the same port', async () => {
    const server = await start('ok')
    const { port } = server
    const open = talk(port, '', 2_000)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await server.stop()
    expect((await open).end).toBe('rst')
    expect((await talk(port, GET, 500)).end).toBe('rst')
    await server.restart()
    expect([server.port, (await talk(port, GET, 500, 10)).bytes > 0]).toEqual([port, true])
  })

  it('close leaves no socket', async () => {
    const server = await start('silent')
    const heard = talk(server.port, GET, 2_000)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(server.openSockets).toBe(1)
    await server.close()
    expect([(await heard).end, server.openSockets]).toEqual(['rst', 0])
  })
})

describe('faults before a request', () => {
  it.each([
    ['rst', 'rst'],
    ['fin', 'fin'],
    ['silent', 'open'],
  ] as const)('accepting, then %s', async (how, end) => {
    const fault = await accepting(how)
    cleanups.push(() => fault.close())
    expect(await talk(fault.port, '', 150)).toEqual({ text: '', bytes: 0, end })
    expect(fault.connections()).toBe(1)
  })

  it('refusing refuses', async () => {
    const { port } = await refusing()
    const code = await new Promise((resolve) =>
      connectTcp(port, '127.0.0.1').on('error', (error: NodeJS.ErrnoException) => resolve(error.code)),
    )
    expect(code).toBe('ECONNREFUSED')
  })

  it.runIf(process.platform === 'linux')('a black hole answers no connect, for as long as anybody waits', async () => {
    const hole = await blackHole()
    cleanups.push(() => hole.close())
    expect(await connects(hole.port, 1_500)).toBe(false)
  })

  it('a TLS handshake with a silent server hangs', async () => {
    const fault = await accepting('silent')
    cleanups.push(() => fault.close())
    const socket = connectTls({ port: fault.port, host: '127.0.0.1', rejectUnauthorized: false }).on('error', () => {})
    const ended = await new Promise((resolve) => {
      socket.once('secureConnect', () => resolve('connected')).once('close', () => resolve('closed'))
      setTimeout(() => resolve('hangs'), 300)
    })
    socket.destroy()
    expect(ended).toBe('hangs')
  })
})

describe('certificates made by hand', () => {
  const DAY_MS = 86_400_000
  const authority = new CertificateAuthority()

  /** The code with which a handshake is refused, or the protocol when it is not. */
  async function handshake(leaf: { cert: string; key: string }, ca: string, client?: { cert: string; key: string }): Promise<string> {
    const plain = await start('ok')
    const front = await tlsFront(plain.address, leaf, client === undefined ? undefined : ca)
    cleanups.push(() => front.close())
    return new Promise((resolve) => {
      const port = Number(front.address.split(':')[1])
      const socket = connectTls({ port, host: '127.0.0.1', servername: 'orders.test', ca, ...client }, () => {
        const name = socket.getPeerCertificate().subjectaltname
        socket.write(GET)
        socket.once('data', (chunk) => {
          socket.destroy()
          resolve(`${socket.getProtocol()} ${name} ${String(chunk).slice(9, 12)} clients ${front.clients.length}`)
        })
      })
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    })
  }

  it('a valid one is believed', async () => {
    const leaf = authority.issue({ names: ['orders.test', '127.0.0.1', 'spiffe://test/orders'] })
    const names = 'DNS:orders.test, IP Address:127.0.0.1, URI:spiffe://test/orders'
    expect(await handshake(leaf, authority.cert)).toMatch(new RegExp(`^(TLSv1.3|null) ${names} 200 clients 0$`))
  })

  it.each([
    ['expired', () => authority.issue({ names: ['orders.test'], notAfter: new Date(Date.now() - 1_000) }), 'CERT_HAS_EXPIRED'],
    [
      'not yet valid',
      () => authority.issue({ names: ['orders.test'], notBefore: new Date(Date.now() + DAY_MS / 2) }),
      'CERT_NOT_YET_VALID',
    ],
    ['for another name', () => authority.issue({ names: ['other.test'] }), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [
      'of an unknown authority',
      () => new CertificateAuthority('somebody else').issue({ names: ['orders.test'] }),
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
    ['of an impostor with the same name', () => new CertificateAuthority().issue({ names: ['orders.test'] }), 'CERT_SIGNATURE_FAILURE'],
  ] as const)('one that is %s is refused', async (_, issue, code) => {
    expect(await handshake(issue(), authority.cert)).toBe(code)
  })

  it('a client shows its own', async () => {
    const leaf = authority.issue({ names: ['orders.test'], notAfter: new Date('2060-01-01') })
    expect(await handshake(leaf, authority.cert, authority.issue({ names: ['web.test'] }))).toMatch(/ 200 clients 1$/)
  })
})
