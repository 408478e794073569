import { createServer, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type ChannelOptions, Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { describe, expect, it, vi } from 'vitest'
import { decodeHealthStatus, encodeHealthRequest } from '../../src/health/grpc-health.ts'
import { GrpcHealthService } from '../../src/inbound/grpc-health-service.ts'
import { Readiness } from '../../src/inbound/readiness.ts'
import { lifetimes } from '../support/lifetimes.ts'

const { keep } = lifetimes()

const CHECK = '/grpc.health.v1.Health/Check'
const WATCH = '/grpc.health.v1.Health/Watch'
/** grpc-js frames messages itself: it is given, and gives, what stands behind the prefix of five bytes. */
const toWire = (service: string): Buffer => encodeHealthRequest(service).subarray(5)
const fromWire = (message: Buffer): string => decodeHealthStatus(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])) ?? '?'

interface Health {
  readiness: Readiness
  service: GrpcHealthService
  server: Http2Server
  client: Client
}

async function health(options: ChannelOptions = {}): Promise<Health> {
  const readiness = new Readiness(() => {})
  const service = new GrpcHealthService(readiness, ['orders'])
  const server = createServer()
  server.on('stream', (stream, headers) => {
    if (!service.handle(stream, headers)) stream.respond({ ':status': 404 }, { endStream: true })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = new Client(`127.0.0.1:${(server.address() as AddressInfo).port}`, credentials.createInsecure(), options)
  keep(() => {
    client.close()
    service.close()
    server.close()
  })
  return { readiness, service, server, client }
}

function check(client: Client, service: string, path = CHECK): Promise<string> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, toWire, fromWire, service, (error: ServiceError | null, status?: string) =>
      error === null ? resolve(status as string) : reject(error),
    )
  })
}

/** What a watch tells: the statuses so far, and how it ended. */
function watch(client: Client, service: string): { seen: string[]; next: () => Promise<void>; ended: Promise<number>; leave: () => void } {
  const seen: string[] = []
  let wake = (): void => {}
  const call = client.makeServerStreamRequest(WATCH, toWire, fromWire, service)
  call.on('data', (status: string) => {
    seen.push(status)
    wake()
  })
  call.on('error', () => {})
  const ended = new Promise<number>((resolve) => call.on('status', ({ code }) => resolve(code)))
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
    })
  return { seen, next, ended, leave: () => call.cancel() }
}

describe('grpc.health.v1.Health, asked by grpc-js', () => {
  it.each(['', 'orders'])('Check of %j follows readiness', async (name) => {
    const { readiness, client } = await health()
    const there: string[] = ['config']
    readiness.require(() => there)
    expect(await check(client, name)).toBe('NOT_SERVING')
    there.length = 0
    expect(await check(client, name)).toBe('SERVING')
    readiness.become('draining')
    expect(await check(client, name)).toBe('NOT_SERVING')
  })

  it('Check of a service that nobody knows is NOT_FOUND, a method that is not there UNIMPLEMENTED', async () => {
    const { client } = await health()
    await expect(check(client, 'strangers')).rejects.toMatchObject({ code: 5 })
    await expect(check(client, '', '/grpc.health.v1.Health/List')).rejects.toMatchObject({ code: 12 })
    expect(await check(client, '')).toBe('SERVING')
  })

  it('a name that is as long as one likes is refused, and the connection goes on', async () => {
    const { client } = await health()
    await expect(check(client, 'x'.repeat(100_000))).rejects.toMatchObject({ code: 3 })
    expect(await check(client, '')).toBe('SERVING')
  })

  it('Watch tells every change, and ends with the process', async () => {
    const { readiness, service, client } = await health()
    const there: string[] = ['config']
    readiness.require(() => there)
    const all = watch(client, '')
    const strangers = watch(client, 'strangers')
    await Promise.all([all.next(), strangers.next()])
    there.length = 0
    let told = all.next()
    readiness.check()
    await told
    told = all.next()
    readiness.become('draining')
    await told
    service.close()
    expect(await Promise.all([all.ended, strangers.ended])).toEqual([14, 14])
    expect([all.seen, strangers.seen]).toEqual([['NOT_SERVING', 'SERVING', 'NOT_SERVING'], ['SERVICE_UNKNOWN']])
  })

  it('a watcher that leaves is forgotten', async () => {
    const { service, client } = await health()
    const left = watch(client, '')
    await left.next()
    expect(service.watching).toBe(1)
    left.leave()
    expect(await left.ended).toBe(1)
    await vi.waitFor(() => expect(service.watching).toBe(0))
  })
})
