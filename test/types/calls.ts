// Calls: every door, per-call options, events, errors and what a mesh tells about itself.
import {
  type CallOptions,
  createMesh,
  fileSource,
  isMeshError,
  type Mesh,
  type MeshErrorCode,
  type MeshStats,
  type RequestOptions,
  type ResponseData,
  type ServiceStats,
  type Source,
} from 'inmesh'
import * as undici from 'undici'
import { holds, type Same } from './expect.ts'

const mesh = createMesh({ services: { orders: {} } })
const url = 'http://orders/v1/orders/42'

export async function doors(): Promise<void> {
  holds<Same<Awaited<ReturnType<typeof mesh.fetch>>, Response>>()
  await mesh.fetch(new URL(url), {
    method: 'POST',
    body: 'x',
    mesh: { timeout: '1s', idempotent: true, hashKey: 'user', priority: 'high', retries: 1 },
  })
  await mesh.fetch(new Request(url), { signal: AbortSignal.timeout(1_000) })
  await fetch(url, { dispatcher: mesh.dispatcher })
  await undici.fetch(url, { dispatcher: mesh.dispatcher })
  const { statusCode, body } = await undici.request(url, { dispatcher: mesh.dispatcher })
  holds<Same<typeof statusCode, number>>()
  await body.text()
  undici.setGlobalDispatcher(mesh.dispatcher)
  const options: RequestOptions = { method: 'GET', headers: { accept: 'text/plain' }, mesh: { timeout: 250 } }
  const answer: ResponseData = await mesh.request(url, options)
  await answer.body.json()
  await mesh.stream(url, {}, ({ statusCode: status }) => (status === 200 ? process.stdout : process.stderr))
  holds<Same<ReturnType<typeof mesh.install>, () => void>>()

  // @ts-expect-error no such wish
  await mesh.fetch(url, { mesh: { timeOut: '1s' } })
  // @ts-expect-error no such wish, beside one that there is
  await mesh.request(url, { mesh: { timeout: '1s', retry: 1 } })
  // @ts-expect-error no such priority
  await mesh.fetch(url, { mesh: { priority: 'urgent' } })
  // @ts-expect-error text or a number
  mesh.with({ timeout: new Date() }, () => {})
}

export async function promises(): Promise<void> {
  const wishes: CallOptions = { timeout: '1s' }
  const inside = mesh.with(wishes, async () => 42)
  holds<Same<typeof inside, Promise<number>>>()
  const executed = mesh.execute('orders-db', ({ signal, tries }) => `${signal.aborted} ${tries}`, { timeout: '1s', idempotent: true })
  holds<Same<typeof executed, Promise<string>>>()
  await mesh.ready({ timeout: '10s', signal: AbortSignal.timeout(1_000) })
  await mesh.close({ timeout: '10s' })
  await using ended = createMesh()
  // @ts-expect-error no such option
  await ended.ready({ timout: '1s' })
  // @ts-expect-error no such option
  await mesh.execute('orders-db', () => 1, { attempts: 2 })
}

export function events(): void {
  const stop = mesh.on('circuitOpened', (event) => {
    holds<Same<typeof event, { service: string; failurePercent: number; requests: number; openForMs: number }>>()
  })
  holds<Same<typeof stop, () => void>>()
  // @ts-expect-error no such event
  mesh.on('circuitBroken', () => {})
  // @ts-expect-error the payload has no such field
  mesh.on('endpointEjected', ({ address }) => address)
}

export function errors(error: unknown): MeshErrorCode | undefined {
  if (!isMeshError(error)) return undefined
  holds<Same<typeof error.tries, number>>()
  // @ts-expect-error no such code
  if (error.code === 'MESH_TIMEOUT') return undefined
  return error.code
}

export function told(): void {
  holds<Same<ReturnType<typeof mesh.stats>, MeshStats>>()
  const orders: ServiceStats | undefined = mesh.stats().services['orders']
  holds<Same<NonNullable<typeof orders>['breaker']['state'], 'closed' | 'open' | 'half-open' | 'off'>>()
  const { decision } = mesh.explain({ url, method: 'POST', headers: { 'x-canary': '1' } }).route
  holds<Same<typeof decision, 'service' | 'answer' | 'pass' | 'refuse'>>()
  // @ts-expect-error explain needs a URL
  mesh.explain({ method: 'GET' })
}

export async function explainedCalls(mesh: Mesh, others: Source[]): Promise<void> {
  const { call, places } = mesh.explain({ url: 'http://orders/', mesh: { timeout: '1s', priority: 'low' } })
  const from: 'this call' | 'mesh.with' | 'the request that came in' | undefined = call?.timeout?.from
  const place: string | undefined = places?.['file:mesh.yaml/service/default/orders']
  // @ts-expect-error an option that there is not
  mesh.explain({ url: 'http://orders/', mesh: { timeOut: '1s' } })
  await createMesh({ sources: [...others, fileSource('mesh.yaml')] }).close()
  void [from, place]
}
