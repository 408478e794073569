// What is measured: each subject sends one request, reads its body to the end and returns the status.

import { Agent } from 'node:http'
import * as grpc from '@grpc/grpc-js'
import axios from 'axios'
import got from 'got'
import { createMesh } from 'inmesh'
import CircuitBreaker from 'opossum'
import pRetry from 'p-retry'
import { Pool, fetch as undiciFetch } from 'undici'

const PATH = '/v1/orders/42'
const LARGE = '/large'
const PICKS = 20_000

/** A handler that reads and throws away, in the old dialect of undici or in the new one. */
function sink(legacy, resolve, reject) {
  let status = 0
  return legacy
    ? {
        onConnect() {},
        onHeaders(statusCode) {
          status = statusCode
          return true
        },
        onData: () => true,
        onComplete: () => resolve(status),
        onError: reject,
      }
    : {
        onRequestStart() {},
        onResponseStart(_, statusCode) {
          status = statusCode
        },
        onResponseData() {},
        onResponseEnd: () => resolve(status),
        onResponseError: (_, error) => reject(error),
      }
}

const readRequest = async ({ statusCode, body }) => {
  await body.text()
  return statusCode
}
const readText = async (response) => {
  await response.text()
  return response.status
}
const readJson = async (response) => {
  const { ok } = await response.json()
  return ok ? response.status : 0
}
const readStream = async (response) => {
  let length = 0
  for await (const piece of response.body) length += piece.length
  return length === 128 ? response.status : 0
}

/** The pool of each of so many calls through `mesh`, in the order in which they began. */
async function recordedPicks(mesh, ports, pools, concurrency) {
  const picks = new Array(PICKS)
  let next = 0
  const worker = async () => {
    while (next < PICKS) {
      const index = next++
      const { body } = await mesh.request('http://orders/port')
      picks[index] = pools[ports.indexOf(Number(await body.text()))]
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return picks
}

function grpcClient(port) {
  const raw = (value) => value
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
  const request = Buffer.alloc(16)
  const call = () =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest('/bench.Orders/Get', raw, raw, request, (error, reply) =>
        error ? reject(error) : resolve(reply.length === 128 ? 200 : 0),
      ),
    )
  return { call, close: () => client.close() }
}

/** Every subject over `ports`; `bare` ones take the pools in turn, as somebody without a mesh would. */
export async function makeSubjects({ ports, grpcPort, concurrency }, legacy) {
  const pools = ports.map((port) => new Pool(`http://127.0.0.1:${port}`, { allowH2: false }))
  const endpoints = ports.map((port) => `127.0.0.1:${port}`)
  const mesh = createMesh({ services: { orders: { endpoints } } })
  await mesh.ready()
  let turn = 0
  const pool = () => pools[turn++ % pools.length]
  const picks = ports.length === 1 ? [] : await recordedPicks(mesh, ports, pools, concurrency)
  const picked = () => picks[turn++ % PICKS]
  const url = (path = PATH) => `http://${endpoints[turn++ % endpoints.length]}${path}`
  const options = (path = PATH) => ({ path, method: 'GET' })
  const ours = `http://orders${PATH}`
  const breaker = new CircuitBreaker(
    (target) =>
      pRetry(() => fetch(target, { signal: AbortSignal.timeout(15_000) }).then(readText), { retries: 2, minTimeout: 25, maxTimeout: 250 }),
    { timeout: false, volumeThreshold: 20 },
  )
  const agent = new Agent({ keepAlive: true })
  const gotClient = got.extend({ agent: { http: agent }, retry: { limit: 2 }, timeout: { request: 15_000 } })
  const axiosClient = axios.create({ httpAgent: agent, timeout: 15_000 })
  const unary = grpcClient(grpcPort)
  const dispatched = (dispatcher, request) => new Promise((resolve, reject) => dispatcher.dispatch(request, sink(legacy, resolve, reject)))
  return {
    subjects: {
      'dispatch bare': () => dispatched(pool(), options()),
      'dispatch mesh': () => dispatched(mesh.dispatcher, { origin: 'http://orders', path: PATH, method: 'GET' }),
      'request bare': () => pool().request(options()).then(readRequest),
      'dispatch replayed': () => dispatched(picked(), options()),
      'request replayed': () => picked().request(options()).then(readRequest),
      'request mesh': () => mesh.request(ours).then(readRequest),
      'request bare large': () => pool().request(options(LARGE)).then(readRequest),
      'fetch bare text': () => fetch(url()).then(readText),
      'fetch mesh text': () => mesh.fetch(ours).then(readText),
      'fetch bare json': () => fetch(url()).then(readJson),
      'fetch mesh json': () => mesh.fetch(ours).then(readJson),
      'fetch bare stream': () => fetch(url()).then(readStream),
      'fetch mesh stream': () => mesh.fetch(ours).then(readStream),
      'fetch mesh large': () => mesh.fetch(`http://orders${LARGE}`).then(readText),
      'fetch hand-made': () => breaker.fire(url()),
      got: () => gotClient(url()).then(({ statusCode }) => statusCode),
      axios: () => axiosClient.get(url()).then(({ status }) => status),
      'grpc-js unary': () => unary.call(),
      'undici fetch bare': () => undiciFetch(url()).then(readText),
      'undici fetch mesh': () => undiciFetch(ours, { dispatcher: mesh.dispatcher }).then(readText),
    },
    /** Open connections of the mesh. */
    sockets: () => mesh.stats().services.orders.endpoints.reduce((sum, { connections }) => sum + connections, 0),
    async close() {
      breaker.shutdown()
      unary.close()
      agent.destroy()
      await mesh.close()
      await Promise.all(pools.map((each) => each.close()))
    },
  }
}
