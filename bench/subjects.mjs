// What is measured: each subject sends one request, reads its body to the end and returns the status.
import { createMesh } from 'inmesh'
import CircuitBreaker from 'opossum'
import pRetry from 'p-retry'
import { Pool } from 'undici'

/** A handler that reads and throws away, in both dialects of undici. */
function sink(resolve, reject) {
  let status = 0
  return {
    onConnect() {},
    onHeaders(statusCode) {
      status = statusCode
      return true
    },
    onData() {
      return true
    },
    onComplete() {
      resolve(status)
    },
    onError: reject,
  }
}

function modernSink(resolve, reject) {
  let status = 0
  return {
    onRequestStart() {},
    onResponseStart(_, statusCode) {
      status = statusCode
    },
    onResponseData() {},
    onResponseEnd() {
      resolve(status)
    },
    onResponseError(_, error) {
      reject(error)
    },
  }
}

const readRequest = async ({ statusCode, body }) => {
  await body.text()
  return statusCode
}
const readFetch = async (response) => {
  await response.text()
  return response.status
}

/** Every subject over `ports`; `bare` ones take the pools in turn, as somebody without a mesh would. */
export async function makeSubjects(ports, legacy) {
  const pools = ports.map((port) => new Pool(`http://127.0.0.1:${port}`, { allowH2: false }))
  const endpoints = ports.map((port) => `127.0.0.1:${port}`)
  const mesh = createMesh({ services: { orders: { endpoints } } })
  await mesh.ready()
  const handler = legacy ? sink : modernSink
  let turn = 0
  const pool = () => pools[turn++ % pools.length]
  const url = () => `http://${endpoints[turn++ % endpoints.length]}/v1/orders/42`
  const options = { path: '/v1/orders/42', method: 'GET' }
  const meshOptions = { origin: 'http://orders', path: '/v1/orders/42', method: 'GET' }
  const breaker = new CircuitBreaker(
    (target) =>
      pRetry(() => fetch(target, { signal: AbortSignal.timeout(15_000) }).then(readFetch), { retries: 2, minTimeout: 25, maxTimeout: 250 }),
    { timeout: false, volumeThreshold: 20 },
  )
  return {
    mesh,
    subjects: {
      'dispatch bare': () => new Promise((resolve, reject) => pool().dispatch(options, handler(resolve, reject))),
      'dispatch mesh': () => new Promise((resolve, reject) => mesh.dispatcher.dispatch(meshOptions, handler(resolve, reject))),
      'request bare': () => pool().request(options).then(readRequest),
      'request mesh': () => mesh.request('http://orders/v1/orders/42').then(readRequest),
      'fetch bare': () => fetch(url()).then(readFetch),
      'fetch mesh': () => mesh.fetch('http://orders/v1/orders/42').then(readFetch),
      'fetch hand-made': () => breaker.fire(url()),
    },
    async close() {
      breaker.shutdown()
      await mesh.close()
      await Promise.all(pools.map((each) => each.close()))
    },
  }
}

/** Pairs that are compared: what the first costs as a multiple of the second. */
export const PAIRS = [
  ['dispatch mesh', 'dispatch bare'],
  ['request mesh', 'request bare'],
  ['fetch mesh', 'fetch bare'],
  ['fetch mesh', 'fetch hand-made'],
  ['request mesh', 'fetch hand-made'],
]
