// Compiled against the published types with every TypeScript, @types/node and undici of the matrix.
import { createMesh, isMeshError, type Mesh, type MeshOptions } from 'inmesh'
import { RoundRobin } from 'inmesh/balancing'
import { CircuitBreaker, circuitBreaker } from 'inmesh/resilience'
import { request, stream, fetch as undiciFetch } from 'undici'

const options = { services: { orders: { endpoints: ['127.0.0.1:8080'], timeout: '2s' } } } satisfies MeshOptions

export async function calls(): Promise<string> {
  const mesh = createMesh(options)
  const url = 'http://orders/v1/orders/42'
  const response = await fetch(url, { dispatcher: mesh.dispatcher })
  const { statusCode, body } = await request(url, { dispatcher: mesh.dispatcher })
  const other = await undiciFetch(url, { dispatcher: mesh.dispatcher })
  await stream(url, { method: 'GET', dispatcher: mesh.dispatcher }, () => process.stdout)
  const ours: Response = await mesh.fetch(url, { method: 'POST', body: 'x', mesh: { timeout: '1s', idempotent: true } })
  const { headers } = await mesh.request(url, { mesh: { retries: 1 } })
  const guarded: (name: string) => Promise<number> = circuitBreaker(async (name: string) => name.length)
  const any: Mesh = mesh
  await any.close({ timeout: '1s' })
  return [response.status, statusCode, await body.text(), other.status, ours.ok, headers['etag'], await guarded('x')].join()
}

export const classes: unknown[] = [RoundRobin, CircuitBreaker, isMeshError]

/** Were the package not found, nothing in here would be an error. */
export function mistakes(): void {
  // @ts-expect-error no such option
  createMesh({ services: { orders: { timeOut: '2s' } } })
  // @ts-expect-error no such policy
  createMesh({ services: { orders: { balancing: { policy: 'best' } } } })
}
