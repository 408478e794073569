import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMesh } from 'inmesh'
import { Issuer, identityIn } from '../issuer.mjs'
import { failures, openLoop, pause } from '../load.mjs'

const PER_SECOND = 500
/** Between a certificate and its key: in that time the two do not fit. */
const APART_MS = 30
const WEB = 'spiffe://example.org/ns/soak/sa/web'
const ORDERS = 'spiffe://example.org/ns/soak/sa/orders'

/** Certificates of both sides change each second under load, half of them with the key written later: no call and no handshake fails. */
export async function run({ short }) {
  const seconds = short ? 10 : 60
  const directories = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'inmesh-soak-')))
  const [webFiles, ordersFiles] = directories
  const issuer = await Issuer.create()
  await Promise.all([issuer.issue(webFiles, WEB), issuer.issue(ordersFiles, ORDERS)])
  const child = fork(join(import.meta.dirname, '../tls-server.mjs'), [ordersFiles], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  })
  const [{ listening }] = await once(child, 'message')
  // Bounded, patient and without a breaker: a machine that is too slow for the load must not look like a rotation that fails.
  const policy = {
    limits: { maxConnections: 16, maxPending: 100_000 },
    connectTimeout: '10s',
    timeout: '30s',
    retry: false,
    circuitBreaker: false,
  }
  const mesh = createMesh({
    ...identityIn(webFiles, 'example.org'),
    services: { orders: { endpoints: [`127.0.0.1:${listening}`], tls: { mode: 'mutual', sans: [ORDERS] }, ...policy } },
  })
  await mesh.ready()
  // The first connection stands when the load begins: what is tried here is not a cold start.
  await (await mesh.request('http://orders/')).body.text()
  let rotations = 0
  mesh.on('identityRotated', () => rotations++)
  let strangers = 0
  const loop = openLoop({
    perSecond: PER_SECOND,
    seconds,
    async call() {
      const { statusCode, body } = await mesh.request('http://orders/', { method: 'POST', body: 'x' })
      if ((await body.text()) !== WEB) strangers++
      return statusCode
    },
  })
  const turning = (async () => {
    for (let second = 1; second < seconds; second++) {
      await pause(1_000)
      const apart = second % 2 === 0 ? APART_MS : 0
      await Promise.all([issuer.issue(webFiles, WEB, apart), issuer.issue(ordersFiles, ORDERS, apart)])
    }
  })()
  const [{ calls, stalledMs }] = await Promise.all([loop, turning])
  const answer = once(child, 'message')
  child.send({})
  const [service] = await answer
  await mesh.close()
  child.disconnect()
  await once(child, 'exit')
  for (const directory of directories) rmSync(directory, { recursive: true })
  const seen = failures(calls)
  return [
    {
      what: `lost of ${calls.length} POSTs without a retry, ${rotations} rotations here, ${service.rotations} there, longest stall ${stalledMs.toFixed(0)} ms`,
      asked: 0,
      seen: seen.count === 0 ? 0 : `${seen.count}: ${seen.kinds}`,
      ok: seen.count === 0,
    },
    {
      what: 'rotations of either side',
      asked: `>= ${seconds - 2}`,
      seen: Math.min(rotations, service.rotations),
      ok: Math.min(rotations, service.rotations) >= seconds - 2,
    },
    {
      what: `failed of ${service.handshakes} handshakes`,
      asked: 0,
      seen: service.failedHandshakes + service.rejected,
      ok: service.failedHandshakes + service.rejected === 0,
    },
    { what: 'answers that took us for somebody else', asked: 0, seen: strangers, ok: strangers === 0 },
  ]
}
