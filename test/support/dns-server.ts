import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, streamEncode, TRUNCATED_RESPONSE } from 'dns-packet'

/** What the server does when it is asked for one name and type. */
export interface DnsReply {
  answers?: Answer[]
  rcode?: 'SERVFAIL' | 'NXDOMAIN' | 'REFUSED'
  /** Never answers. */
  silent?: boolean
  delayMs?: number
  /** Over UDP an empty answer with the truncation bit, over TCP the whole. */
  truncated?: boolean
}

interface Question {
  name: string
  type: string
  over: 'udp' | 'tcp'
}

const RCODES = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 }

/** A DNS server of one test on a free loopback port: it answers what the test says, and remembers what it was asked. */
export class DnsServer {
  readonly asked: Question[] = []
  address = ''
  /** Answers nobody at all. */
  dead = false
  private readonly replies = new Map<string, DnsReply>()
  private readonly udp: Socket = createSocket('udp4')
  private readonly tcp: Server = createServer()

  static async start(): Promise<DnsServer> {
    const server = new DnsServer()
    await server.listen()
    return server
  }

  /** From now on `name` has these addresses (A and AAAA by their look). */
  addresses(name: string, addresses: string[], ttl = 60): void {
    for (const [type, own] of [
      ['A', addresses.filter((each) => !each.includes(':'))],
      ['AAAA', addresses.filter((each) => each.includes(':'))],
    ] as const)
      this.reply(name, type, { answers: own.map((data) => ({ name, type, data, ttl })) })
  }

  /** From now on this is the answer for `name` and `type`; without one a name does not exist. */
  reply(name: string, type: 'A' | 'AAAA' | 'SRV', reply: DnsReply): void {
    this.replies.set(`${name} ${type}`, reply)
  }

  /** Both families do the same. */
  fail(name: string, reply: DnsReply): void {
    this.reply(name, 'A', reply)
    this.reply(name, 'AAAA', reply)
  }

  questions(name: string, type = 'A'): number {
    return this.asked.filter((each) => each.name === name && each.type === type).length
  }

  async stop(): Promise<void> {
    this.udp.close()
    await new Promise((resolve) => this.tcp.close(resolve))
  }

  private async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.tcp.listen(0, '127.0.0.1', resolve))
    const { port } = this.tcp.address() as { port: number }
    await new Promise<void>((resolve) => this.udp.bind(port, '127.0.0.1', resolve))
    this.address = `127.0.0.1:${port}`
    this.udp.on('message', (message, peer: RemoteInfo) => {
      this.answer(decode(message), 'udp', (packet) => this.udp.send(encode(packet), peer.port, peer.address))
    })
    this.tcp.on('connection', (socket) => {
      let received = Buffer.alloc(0)
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk])
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
          const end = 2 + received.readUInt16BE(0)
          this.answer(decode(received.subarray(2, end)), 'tcp', (packet) => socket.write(streamEncode(packet)))
          received = received.subarray(end)
        }
      })
    })
  }

  private answer(query: Packet, over: 'udp' | 'tcp', send: (packet: Packet) => void): void {
    const [question] = query.questions ?? []
    if (question === undefined) return
    const name = question.name.toLowerCase()
    this.asked.push({ name, type: question.type, over })
    const reply = this.replies.get(`${name} ${question.type}`) ?? { rcode: 'NXDOMAIN' }
    if (this.dead || reply.silent === true) return
    const cut = reply.truncated === true && over === 'udp'
    const packet: Packet = {
      type: 'response',
      ...(query.id === undefined ? {} : { id: query.id }),
      flags: AUTHORITATIVE_ANSWER | (cut ? TRUNCATED_RESPONSE : 0) | (reply.rcode === undefined ? 0 : RCODES[reply.rcode]),
      questions: [question],
      answers: cut ? [] : (reply.answers ?? []),
    }
    if (reply.delayMs === undefined) send(packet)
    else setTimeout(() => send(packet), reply.delayMs)
  }
}
