import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest'
import { createMesh, type Mesh } from '../../../src/index.ts'
import { Peer } from './peer.ts'

/** Whatever fetch might be given, also what its types forbid. */
export type Init = Record<string, unknown>

/** A fetch under test with two servers to talk to; everything is new for each test. */
export interface Subject {
  readonly name: string
  /** The server behind `url()`. */
  readonly peer: Peer
  /** The server behind `elsewhere()`: another origin. */
  readonly other: Peer
  fetch(input: unknown, init?: Init): Promise<Response>
  url(path?: string): string
  elsewhere(path?: string): string
  /** Fetches `path`, and gives what the server saw of it. */
  sent(init?: Init, path?: string): Promise<Peer['seen'][number]>
}

abstract class Base implements Subject {
  abstract readonly name: string
  peer!: Peer
  other!: Peer

  abstract fetch(input: unknown, init?: Init): Promise<Response>
  abstract url(path?: string): string
  abstract elsewhere(path?: string): string

  async sent(init?: Init, path = '/'): Promise<Peer['seen'][number]> {
    const response = await this.fetch(this.url(path), init)
    await response.arrayBuffer()
    const seen = this.peer.seen.at(-1) as Peer['seen'][number]
    await seen.complete
    return seen
  }

  async start(): Promise<void> {
    this.peer = await Peer.start()
    this.other = await Peer.start()
  }

  async stop(): Promise<void> {
    await this.peer.close()
    await this.other.close()
  }
}

/** What everything is measured by: the platform's own fetch. */
class PlatformSubject extends Base {
  readonly name = 'platform'

  override fetch(input: unknown, init?: Init): Promise<Response> {
    return globalThis.fetch(input as string, init as RequestInit)
  }
  override url(path = '/'): string {
    return `http://${this.peer.address}${path}`
  }
  override elsewhere(path = '/'): string {
    return `http://${this.other.address}${path}`
  }
}

/** `mesh.fetch`, with nothing but its defaults; the servers are the services orders and billing. */
export class MeshSubject extends Base {
  readonly name = 'mesh'
  mesh!: Mesh

  override fetch(input: unknown, init?: Init): Promise<Response> {
    return this.mesh.fetch(input as string, init as RequestInit)
  }
  override url(path = '/'): string {
    return `http://orders${path}`
  }
  override elsewhere(path = '/'): string {
    return `http://billing${path}`
  }
  override async start(): Promise<void> {
    await super.start()
    this.mesh = createMesh({ services: { orders: { endpoints: [this.peer.address] }, billing: { endpoints: [this.other.address] } } })
  }
  override async stop(): Promise<void> {
    await this.mesh.close({ timeout: 0 })
    await super.stop()
  }
}

/** The same tests on the platform's fetch and on `mesh.fetch`: what is expected is written once, and both must meet it. */
export function conformance(title: string, tests: (subject: Subject) => void): void {
  describe.each([new PlatformSubject(), new MeshSubject()])(`${title} ($name)`, (subject) => {
    prepare(subject)
    tests(subject)
  })
}

/** Tests of what `mesh.fetch` does better than the platform. */
export function improvement(title: string, tests: (subject: MeshSubject) => void): void {
  describe(title, () => {
    const subject = new MeshSubject()
    prepare(subject)
    tests(subject)
  })
}

function prepare(subject: Base): void {
  const unhandled: unknown[] = []
  const keep = (reason: unknown): void => void unhandled.push(reason)
  beforeAll(() => void process.on('unhandledRejection', keep))
  beforeEach(() => subject.start())
  afterEach(() => subject.stop())
  afterAll(async () => {
    // Node tells of a rejection that nobody handled when the promises' turn is over.
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', keep)
    expect(unhandled).toEqual([])
  })
}

/** Now, and whatever nobody holds. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
}

type Failure = Error & { cause: Error & { code?: string } }

/** What `work` rejects with; an answer instead fails the test. */
export async function failure(work: Promise<unknown>): Promise<Failure> {
  const outcome = await work.then(
    (value) => ({ value }),
    (error: Failure) => ({ error }),
  )
  if (!('error' in outcome)) throw new Error(`expected a rejection, got ${String(outcome.value)}`)
  return outcome.error
}

/** A request that never gets on the wire is refused for the same reason, in the same words, as the platform refuses it. */
export async function expectRefusal(subject: Subject, init: () => Init, input: () => unknown = () => subject.url()): Promise<void> {
  const expected = await failure(globalThis.fetch(input() as string, init() as RequestInit))
  const refused = await failure(subject.fetch(input(), init()))
  expect(refused).toBeInstanceOf(TypeError)
  expect({ message: refused.message, cause: refused.cause?.message }).toEqual({ message: expected.message, cause: expected.cause?.message })
  expect(subject.peer.seen).toEqual([])
}
