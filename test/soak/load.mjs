import { monitorEventLoopDelay } from 'node:perf_hooks'

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** The MeshError behind whatever was thrown, by its brand. */
export function meshError(error) {
  for (let each = error; each !== undefined && each !== null; each = each.cause) if (each[Symbol.for('inmesh.error')] === true) return each
  return undefined
}

/** The value below which `share` of `values` lie. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

export const median = (values) => percentile(values, 0.5)

/**
 * An open loop: call number n starts at n ÷ rate, whether those before it have ended or not. What a stall of this process kept
 * back is made up for at once, since callers in the real world do not wait either.
 * @param {{ perSecond: number, seconds: number, call: (index: number) => Promise<number> }} load `call` gives the status
 * @returns `{ calls: { at, tookMs, status, error }[], stalledMs }`: `at` in milliseconds since the start, `stalledMs` the
 *   longest this process was held up
 */
export async function openLoop({ perSecond, seconds, call }) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const total = perSecond * seconds
  const calls = []
  const underWay = []
  const startedAt = performance.now()
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(total, Math.floor(((performance.now() - startedAt) * perSecond) / 1_000))
      while (calls.length < due) {
        const index = calls.length
        const record = { at: performance.now() - startedAt, tookMs: 0, status: 0, error: undefined }
        calls.push(record)
        underWay.push(
          call(index)
            .then((status) => {
              record.status = status
            })
            .catch((error) => {
              record.error = error
            })
            .finally(() => {
              record.tookMs = performance.now() - startedAt - record.at
            }),
        )
      }
      if (calls.length === total) {
        clearInterval(timer)
        resolve()
      }
    }, 1)
  })
  await Promise.all(underWay)
  delay.disable()
  return { calls, stalledMs: delay.max / 1e6 }
}

/** What went wrong, each kind with how often. */
export function failures(calls) {
  const kinds = new Map()
  for (const { status, error } of calls) {
    if (status === 200) continue
    const kind = error === undefined ? `status ${status}` : (meshError(error)?.code ?? error.name)
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  return {
    count: [...kinds.values()].reduce((sum, count) => sum + count, 0),
    kinds: [...kinds].map(([kind, count]) => `${count} ${kind}`).join(', '),
  }
}

/** A GET through the mesh, by turns through `mesh.fetch` and the dispatcher, read to its end. */
export async function get(mesh, index, options) {
  if (index % 2 === 0) {
    const response = await mesh.fetch('http://orders/v1/orders/42', { mesh: options })
    await response.text()
    return response.status
  }
  const { statusCode, body } = await mesh.dispatcher.request({
    origin: 'http://orders',
    path: '/v1/orders/42',
    method: 'GET',
    mesh: options,
  })
  await body.text()
  return statusCode
}
